"""The publisher thread sends deltas to the store: in order, completely, and without blocking the engine."""

import threading
import time

import msgspec
import pytest
import redis

from contracts.generation import TextDelta
from tests.redis.builders import TENANT, claimed, pass_deadline, status
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding import publisher as publisher_module
from workers.runtime.decoding.publisher import Publisher


@pytest.fixture
def publisher(store: JobStore) -> Publisher:
    return Publisher(store)


def attempt_at(store: JobStore) -> Attempt:
    return Attempt(claimed(store, followed=True))


def flushed(publisher: Publisher, attempt: Attempt, timeout_s: float = PATIENCE_S) -> bool:
    return publisher.flush(attempt).wait(timeout_s)


def published(store: JobStore, attempt: Attempt) -> list[TextDelta]:
    events = [event for event in store.events(attempt.claim.id, "0") if event.name == "output"]
    return [delta for event in events for delta in msgspec.json.decode(event.fields["pieces"], type=list[TextDelta])]


def texts(deltas: list[TextDelta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_all_deltas_are_published_in_order_and_before_flush_returns(store: JobStore, publisher: Publisher) -> None:
    one, two = attempt_at(store), attempt_at(store)
    for number in range(200):
        publisher.emit({one: [TextDelta(text=f"{number} ")], two: [TextDelta(text=f"{number},")] if number % 2 else []})
    assert flushed(publisher, one) and flushed(publisher, two)
    assert texts(published(store, one)) == "".join(f"{number} " for number in range(200))
    assert texts(published(store, two)) == "".join(f"{number}," for number in range(1, 200, 2))


def test_deltas_emitted_during_a_call_share_the_next_one(store: JobStore, publisher: Publisher) -> None:
    attempts = [attempt_at(store) for _ in range(16)]
    before = store.client.info("stats")["total_commands_processed"]
    calls_before = store.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    for number in range(300):
        publisher.emit({attempt: [TextDelta(text=str(number))] for attempt in attempts})
    assert flushed(publisher, attempts[0])
    calls = store.client.info("commandstats")["cmdstat_evalsha"]["calls"] - calls_before
    assert store.client.info("stats")["total_commands_processed"] > before
    assert 0 < calls < 100, "one call must publish the deltas of all jobs, and of several steps"


def num_calls(store: JobStore) -> int:
    return store.client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)


def test_jobs_that_are_not_streamed_cost_a_call_each_half_second(store: JobStore, publisher: Publisher) -> None:
    attempts = [attempt_at(store) for _ in range(16)]
    before, started = num_calls(store), time.monotonic()
    while time.monotonic() < started + 1.2:
        publisher.emit({attempt: [] for attempt in attempts})  # as each step of the engine does
        time.sleep(0.001)
    elapsed_s = time.monotonic() - started
    assert 1 <= num_calls(store) - before <= elapsed_s / publisher_module.POLL_PERIOD_S + 2
    assert all(published(store, attempt) == [] for attempt in attempts)


def test_a_task_goes_on_once_its_deltas_are_published(store: JobStore, publisher: Publisher) -> None:
    resumed = threading.Event()
    attempt = Attempt(claimed(store, followed=True), lambda _: resumed.set())
    for number in range(20):
        publisher.emit({attempt: [TextDelta(text=f"{number} ")]})
    flush = publisher.flush(attempt)
    wait_until(lambda: flush.finished, "the flush has no end")
    assert resumed.wait(PATIENCE_S), "the task waits although its deltas are published"
    assert texts(published(store, attempt)) == "".join(f"{number} " for number in range(20))


@pytest.mark.parametrize("end", ["cancel", "deadline", "delete"])
def test_an_attempt_whose_job_has_ended_is_stopped_without_a_heartbeat(
    store: JobStore, publisher: Publisher, end: str
) -> None:
    attempt, other = attempt_at(store), attempt_at(store)
    if end == "cancel":
        store.cancel(attempt.claim.id, TENANT)
    elif end == "deadline":
        pass_deadline(store, attempt.claim.id)
        store.reap()
    else:
        store.delete(attempt.claim.id, TENANT)
    publisher.emit({attempt: [], other: []})
    wait_until(lambda: attempt.should_stop, "the job runs on")
    assert not other.should_stop
    if end == "deadline":
        assert status(store, attempt.claim.id) == "expired"


def test_a_stopped_attempt_publishes_nothing_more(store: JobStore, publisher: Publisher) -> None:
    attempt = attempt_at(store)
    attempt.stop()
    publisher.emit({attempt: [TextDelta(text="late")]})
    assert flushed(publisher, attempt)
    assert published(store, attempt) == []


def test_deltas_are_published_later_if_the_store_is_out_of_reach(
    server: ValkeyServer, store: JobStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "RETRY_S", 0.05)
    attempt = attempt_at(store)
    own = redis.Redis.from_url(server.url, socket_timeout=0.2)
    publisher = Publisher(JobStore(own))
    server.freeze()
    try:
        for number in range(50):
            publisher.emit({attempt: [TextDelta(text=f"{number} ")]})
        assert not flushed(publisher, attempt, 1.0), "the store can't have the deltas while it does not answer"
    finally:
        server.thaw()
    assert flushed(publisher, attempt)
    assert texts(published(store, attempt)) == "".join(f"{number} " for number in range(50))
    own.close()
