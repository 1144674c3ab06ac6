"""What older versions have left in the store is read, or refused with a sentence, and never half understood.

`old_records.json` is what its scripts wrote: a job in each state, with a message for each, tombstones and streams.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import IdempotencyMismatch, JobGone, JobNotFound
from contracts.jobs import Claim
from contracts.store.keys import PREFIX
from tests.redis.builders import (
    ANSWER,
    NO_LIMITS,
    QUEUE,
    SUSPECTS,
    TENANT,
    claim,
    come_due,
    new_job,
    num_messages,
    status,
    take_message,
    waiting,
)
from tests.support.job_store import JobStore
from workers.runtime.process.shared_state import HeldAttempt

OLD = json.loads((Path(__file__).parent / "old_records.json").read_text())
IDS: dict[str, str] = OLD["ids"]
TIMES = ("created_at", "queued_at", "pushed_at", "started_at", "completed_at", "expires_at", "deadline_at")


@pytest.fixture
def old(store: JobStore) -> JobStore:
    """A store with the keys of the old version, as if they had been written just now."""
    seconds, _ = store.client.time()
    shift_s = seconds - OLD["at"]
    for name, key in OLD["keys"].items():
        write(store.client, name, key["type"], key["value"], shift_s)
        if key["ttl_ms"] > 0:
            store.client.pexpire(name, key["ttl_ms"])
    return store


def write(client: Any, name: str, kind: str, value: Any, shift_s: float) -> None:
    if kind == "hash":
        moved = {field: str(float(text) + shift_s) for field, text in value.items() if field in TIMES}
        client.hset(name, mapping=value | moved)
    elif kind == "zset":
        client.zadd(name, {member: score + shift_s for member, score in value})
    elif kind == "list":
        client.rpush(name, *value)
    elif kind == "stream":
        for entry_id, fields in value:
            client.xadd(name, fields, id=entry_id)
    else:
        client.set(name, value)


def attempt(name: str, number: int = 1) -> Claim:
    """Return what a worker of the old version holds."""
    return Claim(id=IDS[name], attempt=number, task="embed", model="minilm", request=b"", timeout_s=1.0)


def test_jobs_in_every_state_are_read_as_they_are(old: JobStore) -> None:
    expected = {
        "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled", "expired": "expired",
        "suspect_queued": "queued", "suspect_running": "running", "running": "running", "cancelling": "cancelling",
        "released": "queued", "queued": "queued", "queued_with_key": "queued", "done_with_key": "succeeded",
    }  # fmt: skip
    assert {name: status(old, IDS[name]) for name in expected} == expected
    done = old.read(IDS["succeeded"], TENANT)
    assert (done.output, done.progress_done, done.attempt, done.request_id) == (ANSWER.output, 1, 1, "req-1")
    assert done.expires_at is not None and done.completed_at is not None
    assert done.expires_at - done.completed_at == pytest.approx(3600, abs=0.01)
    failed = old.read(IDS["failed"], TENANT)
    assert failed.error is not None and (failed.error.message, failed.error.param) == ("Too long.", "inputs")
    assert old.read(IDS["running"], TENANT).progress_done == 2
    jobs, _ = old.page(TENANT, status=None, task=None, after=None, limit=100)
    assert {job.id for job in jobs} == {IDS[name] for name in expected}


def test_a_deleted_job_is_still_gone_and_other_ids_are_unknown(old: JobStore) -> None:
    with pytest.raises(JobGone):
        old.read(IDS["deleted"], TENANT)
    for job_id, tenant in ((IDS["deleted"], "other"), ("AfuLkrYaRE7Gz9eEEAbVFA", TENANT)):
        with pytest.raises(JobNotFound):
            old.read(job_id, tenant)


def test_waiting_jobs_are_started_and_suspects_alone(old: JobStore) -> None:
    assert old.depth("minilm")[0] == 5
    turn = old.turn("w1", sources=[SUSPECTS, QUEUE])
    groups = {taken.id: taken.group for taken in turn.claims}
    assert groups.pop(IDS["suspect_queued"]) == IDS["suspect_queued"]
    assert {IDS[name] for name in ("released", "queued", "queued_with_key")} < groups.keys()
    assert set(groups.values()) == {""} and len(groups) == 4
    assert [taken.attempt for taken in turn.claims if taken.id == IDS["released"]] == [2]
    assert all(old.succeed(taken, ANSWER) for taken in turn.claims)


def test_its_messages_become_one(old: JobStore) -> None:
    assert num_messages(old) > 1
    old.client.sadd(f"{PREFIX}queues", QUEUE, SUSPECTS)
    old.reap()
    assert old.client.llen(QUEUE) == old.client.llen(SUSPECTS) == 1


def test_a_queue_without_messages_is_found_when_its_jobs_are_looked_at(old: JobStore) -> None:
    """The old version looked at waiting jobs again and again; their next look is due within a minute."""
    while take_message(old):
        pass
    come_due(old, IDS["queued"])
    old.reap()
    assert num_messages(old) == 1
    assert old.client.zscore(f"{PREFIX}due", IDS["queued"]) == pytest.approx(
        old.read(IDS["queued"], TENANT).deadline_at, abs=0.01
    )


def test_attempts_that_run_are_ended_by_their_workers(old: JobStore) -> None:
    assert old.renew_leases([(IDS["running"], 1), (IDS["cancelling"], 1)]) == {IDS["cancelling"]}
    assert old.succeed(attempt("running"), ANSWER)
    assert old.confirm_cancel(attempt("cancelling"))
    names = [event.name for event in old.events(IDS["running"], "0")]
    assert names == ["queued", "started", "progress", "succeeded"], "its stream goes on"


def test_leases_that_run_out_are_noticed(old: JobStore) -> None:
    come_due(old, *(IDS[name] for name in ("running", "suspect_running", "cancelling")))
    old.reap()
    assert status(old, IDS["cancelling"]) == "cancelled"
    crashes = {name: old.read(IDS[name], TENANT).crashes for name in ("running", "suspect_running")}
    assert crashes == {"running": 1, "suspect_running": 2}
    assert claim(old, IDS["running"]).group == IDS["running"]


def test_a_suspect_that_runs_is_charged_as_one_that_ran_alone(old: JobStore) -> None:
    for number in (2, 3):
        assert status(old, IDS["suspect_running"]) == "running"
        assert old.abandon([HeldAttempt(IDS["suspect_running"], number, True, False, True)]).charged_to_suspects
        old.turn("w3", sources=[IDS["suspect_running"]])
    assert status(old, IDS["suspect_running"]) == "failed"


def test_a_job_that_was_taken_from_its_worker_is_lost_to_it(old: JobStore) -> None:
    """As in the old version, which did not note what the job was before."""
    assert not old.succeed(attempt("suspect_queued"), ANSWER)
    assert status(old, IDS["suspect_queued"]) == "queued"


def test_requests_with_a_known_key_get_their_job(old: JobStore) -> None:
    for key, name in (("hash", "queued_with_key"), ("done", "done_with_key")):
        request = new_job(idempotency_key=key, fingerprint="f")
        assert old.submit(request, NO_LIMITS)[:2] == (IDS[name], True)
        with pytest.raises(IdempotencyMismatch):
            old.submit(new_job(idempotency_key=key, fingerprint="g"), NO_LIMITS)


def test_answers_are_kept_as_long_as_they_were_promised(old: JobStore) -> None:
    """Nobody knows whether their time was asked for."""
    before = old.read(IDS["succeeded"], TENANT).expires_at
    old.mark_delivered([IDS["succeeded"]], 1.0)
    assert old.read(IDS["succeeded"], TENANT).expires_at == before
    assert not old.client.exists(f"{PREFIX}delivered")


def test_records_that_have_gone_by_themselves_leave_the_listing(old: JobStore) -> None:
    """The old version gave them a TTL."""
    old.client.delete(f"{PREFIX}job:{IDS['succeeded']}")
    for member in old.client.zrange(f"{PREFIX}expiring", 0, -1):
        if member.decode().startswith(IDS["succeeded"]):
            old.client.zadd(f"{PREFIX}expiring", {member: 0})
    old.reap()
    assert old.client.zscore(f"{PREFIX}jobs:{TENANT}", IDS["succeeded"]) is None
    assert old.client.zscore(f"{PREFIX}jobs:{TENANT}", IDS["failed"]) is not None


def test_once_all_have_ended_and_are_over_nothing_is_left(old: JobStore) -> None:
    for name, tenant in [(name, TENANT) for name in IDS if name != "deleted"]:
        old.cancel(IDS[name], tenant)
    come_due(old, *(job_id.decode() for job_id in old.client.zrange(f"{PREFIX}due", 0, -1)))
    for taken in [more for _ in range(5) for more in old.turn("w", sources=[SUSPECTS, QUEUE]).claims]:
        old.succeed(taken, ANSWER)
    old.reap()
    expiring = f"{PREFIX}expiring"
    old.client.zadd(expiring, {member: 0 for member in old.client.zrange(expiring, 0, -1)})
    for _ in range(3):
        old.reap()
    for job_id in waiting(old, SUSPECTS):
        old.delete(job_id, TENANT)
    old.reap()
    kept = {b"triptych:finished", b"triptych:reaped_at", b"triptych:reaper", b"triptych:grace_until"}
    left = {key for key in old.client.scan_iter() if old.client.ttl(key) < 0} - kept
    assert left <= {b"triptych:queues", b"triptych:usage_tenants"}
