"""Each end of a job leaves one line, written by the process that has made the change."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from contracts.errors import ExecutionTimeout, InputTooLong, OutOfMemory, TriptychError
from contracts.jobs import Answer
from contracts.logs.formats import extra_fields
from contracts.store.attempts.outcomes import succeeded
from contracts.store.keys import PREFIX
from tests.redis.builders import (
    ANSWER,
    TENANT,
    all_at_once,
    claim,
    claimed,
    come_due,
    pass_deadline,
    submit,
)
from tests.support.job_store import JobStore

Ends = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def ends(caplog: pytest.LogCaptureFixture) -> Ends:
    """Return the fields of all lines about ends so far."""
    caplog.set_level(logging.INFO, "contracts.store.job_ends")
    return lambda: [
        {"levelname": record.levelname, **extra_fields(record)}
        for record in caplog.records
        if record.name == "contracts.store.job_ends"
    ]


def succeed(store: JobStore) -> str:
    taken = claimed(store)
    store.succeed(taken, ANSWER)
    return taken.id


def fail_with(error: TriptychError) -> Callable[[JobStore], str]:
    def fail(store: JobStore) -> str:
        taken = claimed(store)
        store.fail(taken, error)
        return taken.id

    return fail


def cancel_queued(store: JobStore) -> str:
    job_id = submit(store)
    store.cancel(job_id, TENANT)
    return job_id


def cancel_running(store: JobStore) -> str:
    taken = claimed(store)
    store.cancel(taken.id, TENANT)
    store.confirm_cancel(taken)
    return taken.id


def cancel_and_release(store: JobStore) -> str:
    taken = claimed(store)
    store.cancel(taken.id, TENANT)
    store.release([taken])
    return taken.id


def cancel_on_dead_worker(store: JobStore) -> str:
    taken = claimed(store)
    store.cancel(taken.id, TENANT)
    come_due(store, taken.id)
    store.reap()
    return taken.id


def delete_queued(store: JobStore) -> str:
    job_id = submit(store)
    store.delete(job_id, TENANT)
    return job_id


def expire_by_reaper(store: JobStore) -> str:
    job_id = submit(store)
    pass_deadline(store, job_id)
    store.reap()
    return job_id


def lose_workers(store: JobStore) -> str:
    job_id = submit(store)
    for _ in range(3):
        claim(store, job_id)
        come_due(store, job_id)
        store.reap()
    return job_id


@pytest.mark.parametrize(
    ("end", "level", "status", "error_code"),
    [
        (succeed, "INFO", "succeeded", None),
        (fail_with(InputTooLong("x")), "INFO", "failed", "input_too_long"),
        (fail_with(ExecutionTimeout()), "WARNING", "failed", "execution_timeout"),
        (fail_with(OutOfMemory()), "ERROR", "failed", "out_of_memory"),
        (fail_with(TriptychError()), "ERROR", "failed", "internal_error"),
        (cancel_queued, "INFO", "cancelled", None),
        (cancel_running, "INFO", "cancelled", None),
        (cancel_and_release, "INFO", "cancelled", None),
        (cancel_on_dead_worker, "INFO", "cancelled", None),
        (delete_queued, "INFO", "cancelled", None),
        (expire_by_reaper, "WARNING", "expired", None),
        (lose_workers, "ERROR", "failed", "worker_lost"),
    ],
)
def test_every_end_leaves_one_line(
    store: JobStore, ends: Ends, end: Callable[[JobStore], str], level: str, status: str, error_code: str | None
) -> None:
    job_id = end(store)
    for _ in range(2):  # what comes later ends nothing
        store.reap()
        store.delete(job_id, TENANT) if store.client.exists(f"{PREFIX}job:{job_id}") else None
    (line,) = ends()
    assert (line["job_id"], line["levelname"], line["status"]) == (job_id, level, status)
    assert line.get("error_code") == error_code
    assert (line["task"], line["model"], line["tenant"]) == ("embed", "minilm", TENANT)


def test_the_line_has_the_times_and_the_request(store: JobStore, ends: Ends) -> None:
    taken = claimed(store, request_id="req-1")
    assert taken.request_id == "req-1"
    store.succeed(
        taken, Answer(output=b"[]", usage=b"{}", timings=b'{"infer_ms":12.5,"post_ms":1}', model_revision="r")
    )
    (line,) = ends()
    assert (line["request_id"], line["worker"], line["attempt"], line["crashes"]) == ("req-1", "w1", 1, 0)
    assert line["infer_ms"] == 12.5
    assert 0 <= line["queue_ms"] <= line["total_ms"]
    job = store.read(taken.id, TENANT)
    assert job.request_id == "req-1"
    assert job.completed_at is not None
    assert line["total_ms"] == pytest.approx((job.completed_at - job.created_at) * 1000, abs=0.1)


def test_the_wait_of_a_job_that_went_back_to_its_queue_is_the_last_one(store: JobStore, ends: Ends) -> None:
    taken = claimed(store)
    store.release([taken])
    store.client.hset(f"{PREFIX}job:{taken.id}", "created_at", "1")
    store.cancel(taken.id, TENANT)
    (line,) = ends()
    assert line["attempt"] == 1
    assert line["queue_ms"] < 600_000 < line["total_ms"]


def test_records_without_a_request_are_still_read(store: JobStore, ends: Ends) -> None:
    """Records of older gateways."""
    job_id = submit(store)
    store.client.hdel(f"{PREFIX}job:{job_id}", "request_id")
    taken = claim(store, job_id)
    assert taken.request_id == ""
    assert store.read(job_id, TENANT).request_id is None
    store.succeed(taken, ANSWER)
    (line,) = ends()
    assert "request_id" not in line


def test_only_one_of_many_reapers_writes_the_line(store: JobStore, ends: Ends) -> None:
    ids = [submit(store) for _ in range(300)]
    pass_deadline(store, *ids)
    all_at_once(8, lambda _: store.reap())
    assert sorted(line["job_id"] for line in ends()) == sorted(ids)


def test_an_outcome_that_is_sent_again_writes_the_line_whose_reply_was_lost(
    store: JobStore, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-py sends a call again when the connection breaks; here the first reply reaches nobody."""
    taken = claimed(store)
    outcome = succeeded(taken, msgspec.structs.replace(ANSWER, timings=b'{"infer_ms":12.5}'))
    with monkeypatch.context() as patched:
        patched.setattr("contracts.store.scripts.log_end", lambda reply: None)
        store.turn("w1", [outcome])
    assert ends() == []
    assert store.turn("w1", [outcome]).accepted == [True]
    (line,) = ends()
    assert (line["status"], line["infer_ms"], line["crashes"]) == ("succeeded", 12.5, 0)


def test_an_attempt_that_has_lost_its_job_writes_nothing(store: JobStore, ends: Ends) -> None:
    taken = claimed(store)
    come_due(store, taken.id)
    store.reap()
    later = claim(store, taken.id)
    assert not store.succeed(taken, ANSWER)
    assert ends() == []
    assert store.succeed(later, ANSWER)
    assert len(ends()) == 1
