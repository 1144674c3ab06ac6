"""Publishing deltas: one call for all sequences of a step, nothing twice, and only by the attempt that owns the job."""

import secrets

import msgspec
import pytest

from contracts.generation import TextDelta
from contracts.jobs import Claim
from contracts.store.changes import Change, changes_from
from contracts.store.keys import wake_channel
from tests.redis.builders import (
    ANSWER,
    TENANT,
    claim,
    claimed,
    come_due,
    field,
    pass_deadline,
    status,
)
from tests.support.job_store import JobStore
from tests.support.waiting import PATIENCE_S


def streamed(store: JobStore) -> Claim:
    return claimed(store, followed=True)


def publish(store: JobStore, *growth: tuple[Claim, bytes], token: str = "") -> set[str]:
    return store.publish(growth, token or secrets.token_hex(8))


def encoded_deltas(text: str) -> bytes:
    return msgspec.json.encode([TextDelta(text=text)])


def published(store: JobStore, job_id: str) -> list[tuple[str, str]]:
    """Return (attempt, text) of each output event."""
    found = []
    for event in store.events(job_id, "0"):
        if event.name == "output":
            (delta,) = msgspec.json.decode(event.fields["pieces"], type=list[TextDelta])
            found.append((event.fields["attempt"], delta.text))
    return found


def test_one_call_publishes_for_many_jobs_and_wakes_their_waiters(store: JobStore) -> None:
    first, second, silent = (claimed(store, followed=True, wake=wake_channel("g1")) for _ in range(3))
    channel = store.client.pubsub()
    channel.subscribe("triptych:wake:g1")
    channel.get_message(timeout=PATIENCE_S)
    assert publish(store, (first, encoded_deltas("a")), (second, encoded_deltas("b")), (silent, b"")) == set()
    assert publish(store, (first, encoded_deltas("é\n"))) == set()
    assert published(store, first.id) == [("1", "a"), ("1", "é\n")]
    assert published(store, second.id) == [("1", "b")]
    assert published(store, silent.id) == []
    woken = [changes_from(channel.get_message(timeout=PATIENCE_S)["data"]) for _ in range(2)]
    assert woken == [[Change(job.id, "running", None) for job in jobs] for jobs in ((first, second), (first,))]
    channel.close()


def test_a_call_sent_again_publishes_nothing_twice(store: JobStore) -> None:
    one, two = streamed(store), streamed(store)
    for token in ("t1", "t1", "t2", "t2"):
        publish(store, (one, encoded_deltas(token)), (two, encoded_deltas(token)), token=token)
    assert published(store, one.id) == published(store, two.id) == [("1", "t1"), ("1", "t2")]


def test_a_cancelled_job_must_stop_and_gets_no_more_events(store: JobStore) -> None:
    stopped, running = streamed(store), streamed(store)
    store.cancel(stopped.id, TENANT)
    assert publish(store, (stopped, encoded_deltas("late")), (running, encoded_deltas("on"))) == {stopped.id}
    assert published(store, stopped.id) == []
    assert published(store, running.id) == [("1", "on")]
    assert store.confirm_cancel(stopped)
    assert status(store, stopped.id) == "cancelled"


def test_a_job_that_nobody_follows_publishes_nothing_and_can_be_stopped(store: JobStore) -> None:
    one, other = claimed(store), claimed(store)
    assert publish(store, (one, encoded_deltas("a")), (other, b"")) == set()
    store.cancel(other.id, TENANT)
    assert publish(store, (one, b""), (other, b"")) == {other.id}
    assert published(store, one.id) == published(store, other.id) == []
    assert not store.client.exists(f"triptych:events:{one.id}")


def test_one_call_has_no_limit_of_jobs(store: JobStore) -> None:
    """The store is called as often as it takes to keep each call short."""
    taken = [streamed(store) for _ in range(150)]
    for token in ("t1", "t1"):
        assert publish(store, *((claim, encoded_deltas("a")) for claim in taken), token=token) == set()
    assert all(published(store, claim.id) == [("1", "a")] for claim in taken)


def test_a_job_that_has_expired_gets_no_more_events(store: JobStore) -> None:
    taken = streamed(store)
    pass_deadline(store, taken.id)
    store.reap()
    assert publish(store, (taken, encoded_deltas("late"))) == {taken.id}
    assert status(store, taken.id) == "expired"
    assert published(store, taken.id) == []
    assert not store.succeed(taken, ANSWER)


def test_an_attempt_that_lost_its_job_can_not_publish(store: JobStore) -> None:
    first = streamed(store)
    publish(store, (first, encoded_deltas("first ")))
    come_due(store, first.id)
    store.reap()
    second = claim(store, first.id, "w2")
    assert publish(store, (first, encoded_deltas("attempt"))) == {first.id}
    assert publish(store, (second, encoded_deltas("second"))) == set()
    assert published(store, first.id) == [("1", "first "), ("2", "second")]


@pytest.mark.parametrize("end", ["succeed", "delete"])
def test_an_ended_job_gets_no_more_events(store: JobStore, end: str) -> None:
    taken = streamed(store)
    if end == "succeed":
        store.succeed(taken, ANSWER)
    else:
        store.delete(taken.id, TENANT)
    assert publish(store, (taken, encoded_deltas("late"))) == {taken.id}
    assert [event for event in store.events(taken.id, "0") if event.name == "output"] == []


def test_the_events_of_a_thousand_steps_can_be_read_from_any_position(store: JobStore) -> None:
    taken = streamed(store)
    texts = [f"{number} " for number in range(3000)]
    for text in texts:
        publish(store, (taken, encoded_deltas(text)))
    store.succeed(taken, ANSWER)
    found, after = [], "0"
    while events := store.events(taken.id, after):
        after = events[-1].id
        found += [event.fields["pieces"] for event in events if event.name == "output"]
    assert found == [encoded_deltas(text).decode() for text in texts]


def test_publishing_does_not_change_the_version_of_the_record(store: JobStore) -> None:
    taken: Claim = streamed(store)
    before = field(store, taken.id, "version")
    publish(store, (taken, encoded_deltas("a")))
    assert field(store, taken.id, "version") == before
