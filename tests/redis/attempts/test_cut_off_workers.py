"""A worker that was cut off for longer than its lease, and comes back, keeps what nobody else has started."""

import msgspec
import pytest

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from contracts.jobs import Claim
from tests.redis.builders import ANSWER, SUSPECTS, TENANT, claim, claimed, come_due, field, status, waiting
from tests.support.job_store import JobStore


def cut_off(store: JobStore, *claims: Claim) -> None:
    """Let the leases of a worker run out, so that the reaper takes its jobs back and blames them."""
    come_due(store, *(taken.id for taken in claims))
    assert store.reap()[0] == len(claims)
    assert [store.read(taken.id, TENANT).status for taken in claims] == ["queued"] * len(claims)


def check_nothing_waits(store: JobStore) -> None:
    assert waiting(store) == waiting(store, SUSPECTS) == []
    assert not store.client.keys("triptych:group:*")


def test_its_result_counts_and_nobody_is_blamed(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(4)]
    cut_off(store, *claims)
    assert [store.succeed(taken, ANSWER) for taken in claims] == [True] * 4
    jobs = [store.read(taken.id, TENANT) for taken in claims]
    assert [(job.status, job.crashes, job.attempt) for job in jobs] == [("succeeded", 0, 1)] * 4
    check_nothing_waits(store)


def test_its_heartbeat_takes_the_jobs_back(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(4)]
    cut_off(store, *claims)
    assert store.renew_leases([(taken.id, taken.attempt) for taken in claims]) == set()
    jobs = [store.read(taken.id, TENANT) for taken in claims]
    assert [(job.status, job.crashes, job.attempt) for job in jobs] == [("running", 0, 1)] * 4
    check_nothing_waits(store)
    assert store.reap()[0] == 0, "the leases were not renewed"
    assert store.claim(claims[0].id, "w2") is None
    assert store.succeed(claims[0], ANSWER)


def test_a_suspect_is_a_suspect_again_with_the_crashes_that_it_had(store: JobStore) -> None:
    first = claimed(store)
    cut_off(store, first)
    suspect = claim(store, first.id, "w2")
    cut_off(store, suspect)
    store.renew_leases([(suspect.id, suspect.attempt)])
    assert (store.read(first.id, TENANT).crashes, field(store, first.id, "alone")) == (1, "0")
    store.release([suspect])
    assert claim(store, first.id, "w3").group == first.id


def test_what_another_worker_has_started_is_lost_to_it(store: JobStore) -> None:
    first = claimed(store)
    cut_off(store, first)
    second = claim(store, first.id, "w2")
    assert store.renew_leases([(first.id, first.attempt)]) == {first.id}
    assert not store.succeed(first, ANSWER)
    store.release([second])
    assert not store.succeed(first, ANSWER), "a later attempt was started, so the first one has ended"
    assert store.read(first.id, TENANT).crashes == 1


def test_it_publishes_and_reports_progress_meanwhile(store: JobStore) -> None:
    taken = claimed(store, followed=True, num_inputs=3)
    cut_off(store, taken)
    pieces = msgspec.json.encode([TextDelta(text="a")])
    assert store.publish([(taken, pieces)], "token") == set()
    store.progress([(taken, 2, 3)])
    store.renew_leases([(taken.id, taken.attempt)])
    assert store.read(taken.id, TENANT).progress_done == 2
    names = [event.name for event in store.events(taken.id, "0")]
    assert names == ["queued", "started", "queued", "output", "progress"]


def test_when_it_leaves_the_job_goes_back_without_blame(store: JobStore) -> None:
    taken = claimed(store)
    cut_off(store, taken)
    store.release([taken])
    assert (store.read(taken.id, TENANT).crashes, waiting(store)) == (0, [taken.id])
    assert claim(store, taken.id, "w2").group == ""


@pytest.mark.parametrize("end", ["cancel", "delete", "fail"])
def test_it_and_a_client_never_end_a_job_twice(store: JobStore, end: str) -> None:
    taken, neighbour = claimed(store), claimed(store)
    cut_off(store, taken, neighbour)
    if end == "fail":
        assert store.fail(taken, TriptychError())
    else:
        (store.cancel if end == "cancel" else store.delete)(taken.id, TENANT)
    assert store.succeed(taken, ANSWER) == (end == "fail"), "the same attempt has ended it"
    assert status(store, neighbour.id) == "queued"
    assert sum(store.num_finished().values()) == 1
    assert waiting(store, SUSPECTS) == [neighbour.id]
