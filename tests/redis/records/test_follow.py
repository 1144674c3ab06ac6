"""Gateways that wait for a job hear of as much of it as they need."""

from contracts.jobs import Claim
from contracts.store.keys import of_end_only, wake_channel
from tests.redis.builders import ANSWER, claimed
from tests.redis.records.test_reading import heard
from tests.support.job_store import JobStore

CHANNEL = wake_channel("g1")


def run(store: JobStore, claim: Claim) -> None:
    store.progress([(claim, 1, 2)])
    store.succeed(claim, ANSWER)


def test_who_waits_for_the_end_hears_of_nothing_else(store: JobStore) -> None:
    def act() -> None:
        run(store, claimed(store, wake=of_end_only(CHANNEL)))

    (state,) = heard(store, CHANNEL, 1, act)
    assert state.endswith(":succeeded")


def test_a_process_with_both_kinds_of_waiters_hears_of_every_change(store: JobStore) -> None:
    for channels in ((CHANNEL, of_end_only(CHANNEL)), (of_end_only(CHANNEL), CHANNEL)):
        claim = claimed(store)
        for channel in channels:
            assert store.follow(claim.id, channel)
        states = heard(store, CHANNEL, 2, lambda claim=claim: run(store, claim))
        assert states == [f"{claim.id}:running", f"{claim.id}:succeeded"]


def test_the_oldest_of_many_processes_make_room(store: JobStore) -> None:
    for channel, num_heard in ((CHANNEL, 0), (wake_channel("g2"), 2)):
        claim = claimed(store, wake=CHANNEL)
        for number in range(2, 8):
            store.follow(claim.id, wake_channel(f"g{number}"))
        assert len(heard(store, channel, num_heard, lambda claim=claim: run(store, claim))) == num_heard


def test_a_job_that_has_ended_can_not_be_followed(store: JobStore) -> None:
    claim = claimed(store)
    store.succeed(claim, ANSWER)
    assert not store.follow(claim.id, CHANNEL, events=True)
    assert not store.follow("no such job", CHANNEL)
