"""A record that can't be used harms itself only: every script goes on for all other jobs of the same call."""

import contextlib
import logging
from collections.abc import Callable

import pytest

from contracts.errors import BrokenRecord, TriptychError
from contracts.jobs import Claim
from contracts.settings import StoreSettings
from contracts.store.attempts.outcomes import succeeded
from contracts.store.keys import (
    PREFIX,
    events_key,
    flow_key,
    flows_key,
    job_key,
    shares_key,
    tags_key,
    tenants_key,
    waiting_key,
)
from contracts.store.reaper import Reaper
from tests.redis.attempts.test_abandon import die
from tests.redis.builders import (
    ANSWER,
    NO_LIMITS,
    QUEUE,
    TENANT,
    active,
    claimed,
    come_due,
    new_job,
    pass_deadline,
    status,
    submit,
    waiting,
)
from tests.support.job_store import JobStore

Damage = Callable[[JobStore, str], object]


def _without(field: str) -> Damage:
    return lambda store, job_id: store.client.hdel(job_key(job_id), field)


def _with(field: str, value: str | bytes) -> Damage:
    return lambda store, job_id: store.client.hset(job_key(job_id), field, value)


def _another_type(store: JobStore, job_id: str) -> None:
    store.client.delete(job_key(job_id))
    store.client.rpush(job_key(job_id), "no record")


def _gone(store: JobStore, job_id: str) -> None:
    store.client.delete(job_key(job_id))


DAMAGES: dict[str, Damage] = {
    **{f"no {name}": _without(name) for name in ("status", "tenant", "task", "model", "deadline_at", "ttl_s")},
    "no created_at": _without("created_at"),
    "unknown status": _with("status", "resting"),
    "negative": _with("deadline_at", "-5"),
    "not a number": _with("deadline_at", "nan"),
    "infinite": _with("ttl_s", "inf"),
    "text": _with("ttl_s", "soon"),
    "half an attempt": _with("attempt", "1.5"),
    "endless crashes": _with("crashes", "9" * 40),
    "before": _with("before", "yesterday"),
    "no UTF-8": _with("model", b"\xff\xfe"),
    "NUL": _with("request_id", b"a\x00b"),
    "another type": _another_type,
    "gone": _gone,
}


def queued(store: JobStore, damage: Damage) -> tuple[str, str]:
    """Return a broken job and a healthy one that wait."""
    broken, healthy = submit(store), submit(store)
    damage(store, broken)
    return broken, healthy


def running(store: JobStore, damage: Damage) -> tuple[Claim, Claim]:
    """Return a broken job and a healthy one that run."""
    broken, healthy = claimed(store, followed=True), claimed(store, followed=True)
    damage(store, broken.id)
    return broken, healthy


def ended(store: JobStore, damage: Damage) -> tuple[str, str]:
    """Return a broken job and a healthy one that have ended."""
    claims = [claimed(store) for _ in range(2)]
    for claim in claims:
        store.succeed(claim, ANSWER)
    damage(store, claims[0].id)
    return claims[0].id, claims[1].id


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> Damage:
    """One way in which a record can be broken."""
    return DAMAGES[request.param]


def test_a_turn_starts_others(store: JobStore, damage: Damage) -> None:
    _, healthy = queued(store, damage)
    assert [claim.id for claim in store.turn("w1", sources=[QUEUE]).claims] == [healthy]
    assert waiting(store) == [], "a broken record is in the way of what comes after it"


def test_a_turn_ends_others(store: JobStore, damage: Damage) -> None:
    claims = running(store, damage)
    accepted = store.turn("w1", [succeeded(claim, ANSWER) for claim in claims]).accepted
    assert accepted == [False, True]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_others_expire(store: JobStore, damage: Damage, state: str) -> None:
    if state == "queued":
        broken, healthy = queued(store, damage)
    else:
        broken, healthy = (claim.id for claim in running(store, damage))
    pass_deadline(store, healthy)
    come_due(store, broken)
    store.reap()
    assert status(store, healthy) == "expired"
    assert store.num_live() == 0


def test_others_are_taken_from_dead_workers(store: JobStore, damage: Damage) -> None:
    broken, healthy = running(store, damage)
    come_due(store, broken.id, healthy.id)
    assert store.reap()[0] == 1
    assert status(store, healthy.id) == "queued"


def test_others_keep_their_leases(store: JobStore, damage: Damage) -> None:
    broken, healthy = running(store, damage)
    assert store.renew_leases([(broken.id, 1), (healthy.id, 1)]) == {broken.id}
    if store.client.exists(job_key(broken.id)):
        assert store.num_live() == 1, "a broken record is looked at again and again"


def test_others_are_released(store: JobStore, damage: Damage) -> None:
    broken, healthy = running(store, damage)
    store.release([broken, healthy])
    assert status(store, healthy.id) == "queued"


def test_others_are_given_back_when_their_worker_dies(store: JobStore, damage: Damage) -> None:
    broken, healthy = running(store, damage)
    die(store, broken, healthy)
    assert status(store, healthy.id) == "queued"


def test_others_make_progress(store: JobStore, damage: Damage) -> None:
    broken, healthy = running(store, damage)
    store.progress([(broken, 1, 2), (healthy, 1, 2)])
    assert store.read(healthy.id, TENANT).progress_done == 1
    assert store.publish([(broken, b"[1]"), (healthy, b"[2]")], "token") == {broken.id}
    assert [event.name for event in store.events(healthy.id, "0")][-1] == "output"


def test_others_are_forgotten_in_time(store: JobStore, damage: Damage) -> None:
    broken, healthy = ended(store, damage)
    store.mark_delivered([broken, healthy], 300)
    store.client.zadd(f"{PREFIX}expiring", {broken: 0, healthy: 0})
    store.reap()
    assert not store.client.exists(job_key(healthy))
    assert store.client.zcard(f"{PREFIX}expiring") == store.client.zcard(f"{PREFIX}delivered") == 0


def test_others_make_room(store: JobStore, damage: Damage) -> None:
    broken, healthy = ended(store, lambda *_: None)
    store.mark_delivered([broken, healthy], 300)
    damage(store, broken)
    store.client.config_set("maxmemory", store.client.info("memory")["used_memory"])
    try:
        Reaper(store.client, StoreSettings()).reap()
    finally:
        store.client.config_set("maxmemory", 0)
    assert not store.client.exists(job_key(healthy))


def test_others_are_listed_and_read(store: JobStore, damage: Damage) -> None:
    broken, healthy = running(store, damage)
    jobs, _ = store.page(TENANT, status=None, task=None, after=None, limit=10)
    assert healthy.id in [job.id for job in jobs]
    assert all(0 < job.deadline_at < 1e11 for job in jobs), "no date can be made of it"
    jobs, _ = store.page(TENANT, status="running", task="embed", after=None, limit=10)
    assert healthy.id in [job.id for job in jobs]
    with contextlib.suppress(TriptychError):
        store.read(broken.id, TENANT)
    assert status(store, healthy.id) == "running"


def test_calls_on_the_broken_record_itself_end_in_an_error_that_clients_understand(
    store: JobStore, damage: Damage
) -> None:
    broken, healthy = queued(store, damage)
    for call in (store.state, store.cancel, store.delete):
        with contextlib.suppress(TriptychError):
            call(broken, TENANT)
    assert store.follow(broken, "triptych:wake:g", events=True) is False
    assert status(store, healthy) == "queued"
    store.reap()


def test_a_broken_record_is_named_once_and_counted(store: JobStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    broken, healthy = queued(store, DAMAGES["no deadline_at"])
    for _ in range(3):
        come_due(store, broken, healthy)
        store.client.zadd(f"{PREFIX}due", {broken: 0})
        store.reap()
    (line,) = caplog.records
    assert line.getMessage() == "a job's record is broken and was set aside"
    assert (line.__dict__["job_id"], line.__dict__["fault"]) == (broken, "deadline_at")
    assert store.client.zrange(f"{PREFIX}broken", 0, -1) == [broken.encode()]
    assert store.num_broken() == 1
    assert active(store) == {TENANT: 1}, "it counts as unfinished no more"
    with pytest.raises(BrokenRecord):
        store.read(broken, TENANT)


def test_a_stream_that_is_none_does_not_keep_a_job_from_its_end(store: JobStore) -> None:
    broken, healthy = claimed(store, followed=True), claimed(store, followed=True)
    store.client.delete(events_key(broken.id))
    store.client.set(events_key(broken.id), "no stream")
    accepted = store.turn("w1", [succeeded(claim, ANSWER) for claim in (broken, healthy)]).accepted
    assert accepted == [True, True]
    assert (status(store, broken.id), status(store, healthy.id)) == ("succeeded", "succeeded")
    first, second = store.events_of_many([(broken.id, "0"), (healthy.id, "0")])
    assert first == [] and second[-1].name == "succeeded"
    assert store.client.zrange(f"{PREFIX}broken", 0, -1) == [events_key(broken.id).encode()]


@pytest.mark.parametrize("key", [f"jobs:{TENANT}", f"idem:{TENANT}:a-key"])
def test_keys_of_a_tenant_that_are_no_such_keys_do_not_stop_the_reaper(store: JobStore, key: str) -> None:
    job_id = submit(store, idempotency_key="a-key", fingerprint="f")
    other = submit(store, tenant="other")
    store.client.delete(f"{PREFIX}{key}")
    store.client.rpush(f"{PREFIX}{key}", "something else")
    pass_deadline(store, job_id, other)
    store.reap()
    assert status(store, other, "other") == "expired"
    store.client.zadd(f"{PREFIX}expiring", {job_id: 0, other: 0})
    store.reap()
    assert not store.client.exists(job_key(job_id), job_key(other))


SHARES = [shares_key(QUEUE), *(key(QUEUE, "default") for key in (tenants_key, flows_key, tags_key))]


@pytest.mark.parametrize("broken", [waiting_key(QUEUE), flow_key(QUEUE, "default", TENANT), *SHARES])
def test_a_queue_that_is_none_harms_its_own_model_only_until_the_next_submit(store: JobStore, broken: str) -> None:
    submit(store)
    other = store.submit(new_job(model="other"), NO_LIMITS).job_id
    for key in (broken, waiting_key(QUEUE), flow_key(QUEUE, "default", TENANT), QUEUE):
        store.client.delete(key)
        store.client.set(key, "something else")
    assert [claim.id for claim in store.turn("w1", sources=[QUEUE, "triptych.other"]).claims] == [other]
    later = submit(store)
    assert [claim.id for claim in store.turn("w1", sources=[QUEUE]).claims] == [later]
    store.reap()
