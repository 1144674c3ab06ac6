"""Whatever jobs are submitted, in calls of any size: ends, places and what is stored are those of jobs one by one.

The store's time is set, so that a job comes at the same microsecond either way.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec import structs

from contracts.errors import LimitExceeded, TriptychError
from contracts.jobs import LANES, Claim, queue_of
from contracts.limits import Meter
from contracts.price.estimate import Consumed
from contracts.store.attempts.outcomes import succeeded
from contracts.store.job_writer import MAX_SUBMITS, Submit, SubmitReply
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from contracts.store.queues.shares import LaneUse
from tests.redis.builders import ANSWER, new_job
from tests.support.job_store import JobStore

MODELS = ("minilm", "other")
START_S = 2.1e9
"""Later than now: until a reaper corrects it, the store's time stands still where it was reaped last."""
NOT_COMPARED = (f"{PREFIX}reaped_at", f"{PREFIX}turn:")
Step = Sequence[Submit] | int
"""A crowd of submits, or how many jobs a worker takes, which ends those that it has."""


def crowds(dice: random.Random) -> list[Step]:
    """Return what happens in a small store, in which limits and deadlines matter."""
    tenants, capacity = dice.choice([2, 5, 30]), dice.choice([0.0, 1.0, 3.0])
    limits = {
        "max_active": dice.choice([3, 1000]),
        "max_waiting": dice.choice([8, 1000]),
        "max_bytes": dice.choice([6000, 1_000_000]),
        "max_idempotency_keys": dice.choice([3, 1000]),
        "capacity": capacity,
        "capacity_of_one": capacity,
    }
    steps: list[Step] = []
    for _ in range(dice.randint(3, 7)):
        submits = [_submit(dice, f"t{dice.randrange(tenants)}", limits) for _ in range(dice.randint(1, MAX_SUBMITS))]
        if dice.random() < 0.3:
            submits[-1] = dice.choice(submits)  # sent again
        steps.append(submits if dice.random() < 0.7 else dice.randint(1, 6))
    return steps


def _submit(dice: random.Random, tenant: str, limits: dict[str, Any]) -> Submit:
    price_s = dice.choice([0.0, 0.01, 0.5, 2.0, 7.0]) * dice.random()
    has_key = dice.random() < 0.3
    job = new_job(
        tenant=tenant,
        model=dice.choice(MODELS),
        lane=dice.choice(LANES),
        price_s=price_s,
        least_s=dice.choice([0.0, 1.0]),
        deadline_s=dice.choice([2.0, 5.0, 20.0, 300.0]) * (1 + dice.random()),
        weight=dice.choice([0.5, 1.0, 1.0, 2.0]),
        request=b"x" * dice.randint(10, 2000),
        followed=dice.random() < 0.2,
        idempotency_key=f"key {dice.randrange(4)}" if has_key else "",
        fingerprint=dice.choice("ffg") if has_key else "",
    )
    admission = Admission(
        **limits,
        lane_rate=limits["capacity"] * dice.choice([0.5, 1.0]),
        lane_use=LaneUse(dice.random(), dice.choice([0.0, 1.0, 4.0])),
        meters=(Meter(f"requests:{tenant}", 8.0, 1.0), Meter(f"work:{tenant}", 30.0, price_s)),
        exceeded=LimitExceeded("limits were changed") if dice.random() < 0.05 else None,
    )
    return Submit(job, admission)


def run(store: JobStore, steps: Sequence[Step], *, size: int) -> tuple[list[object], dict[str, object]]:
    """Return replies, and what is stored after them; a call takes so many submits."""
    store.client.flushdb()
    found: list[object] = []
    claims: list[Claim] = []
    for number, step in enumerate(steps):
        at = START_S + 0.125 * number
        if isinstance(step, int):
            set_time(store, at)
            outcomes = [structs.replace(succeeded(claim, ANSWER), consumed=Consumed(0.3)) for claim in claims]
            claims = store.turn("w1", outcomes, sources=[queue_of(model) for model in MODELS], max_jobs=step).claims
            found.append([claim.id for claim in claims])
            continue
        for start in range(0, len(step), size):
            set_time(store, at + start * 1e-6)
            found += map(end_of, store.submit_all(step[start : start + size]))
    return found, dict(stored(store))


def set_time(store: JobStore, at: float) -> None:
    """Set the store's time."""
    store.client.set(f"{PREFIX}reaped_at", f"{at:.6f}")


def end_of(reply: SubmitReply) -> object:
    """Return what a client is told."""
    used = [round(state.used, 3) for state in reply.meters or ()]
    try:
        job_id, is_replayed, place = reply.accepted()
    except TriptychError as error:
        return type(error), round(error.retry_after_s or 0.0, 3), used
    return job_id, is_replayed, place and [round(number, 3) for number in place], used


def stored(store: JobStore) -> Iterator[tuple[str, object]]:
    """Yield keys and what is there. Members of sorted sets stand in their order; of messages their number counts."""
    for key in sorted(store.client.scan_iter()):
        name, kind = key.decode(), store.client.type(key)
        if name.startswith(NOT_COMPARED):
            continue
        if kind == b"hash":
            yield name, {field: _numbers_in(value) for field, value in store.client.hgetall(key).items()}
        elif kind == b"zset":
            yield name, [member for member, _ in store.client.zrange(key, 0, -1, withscores=True)]
        elif kind == b"string":
            yield name, _numbers_in(store.client.get(key) or b"")
        else:
            count = {b"list": store.client.llen, b"set": store.client.scard, b"stream": store.client.xlen}[kind]
            yield name, count(key)


def _numbers_in(text: bytes) -> object:
    try:
        return [round(float(part), 3) for part in text.split()]
    except ValueError:
        return text


@pytest.mark.parametrize("seed", range(20))
def test_a_call_of_many_does_what_calls_of_one_do(store: JobStore, seed: int) -> None:
    steps = crowds(random.Random(seed))
    one_by_one = run(store, steps, size=1)
    assert run(store, steps, size=MAX_SUBMITS) == one_by_one
    assert run(store, steps, size=5) == one_by_one
