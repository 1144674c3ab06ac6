"""The store serves nobody else while it runs a script, so each call of one is short: at most 500 commands.

Each case is the worst that callers can bring about: streams, idempotency keys, groups, a tenant, a model and a waiting
gateway for each job. `make scale` looks at the time that calls take with a million jobs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from contracts.errors import TriptychError
from contracts.jobs import Claim, newcomers_of, queue_of
from contracts.store.attempt_store import MAX_JOBS
from contracts.store.attempts.outcomes import failed
from contracts.store.keys import PREFIX, of_end_only, wake_channel
from tests.redis.builders import ANSWER, SUSPECTS, claimed, come_due, pass_deadline, submit
from tests.scale.meter import MAX_COMMANDS, Meter
from tests.support.job_store import JobStore
from workers.runtime.process.shared_state import HeldAttempt

QUEUES = [SUSPECTS, queue_of("minilm"), *(queue_of(f"m{number}") for number in range(6))]


@contextmanager
def bounded(store: JobStore) -> Iterator[None]:
    """Check that no call of a script in the block makes more commands than it may."""
    meter = Meter(store.client)
    with meter.measure("all calls"):
        yield
    (cost,) = meter.costs()
    assert cost.max_commands <= MAX_COMMANDS


def channels(gateway: str) -> str:
    """Return as many as may be in a record, and one that gets the record at the end."""
    return " ".join([of_end_only(wake_channel(gateway)), *(wake_channel(f"{gateway}.{index}") for index in range(3))])


def worst_jobs(store: JobStore, num_jobs: int, **changes: object) -> list[str]:
    """Submit jobs that have everything a job may have."""
    return [
        submit(
            store,
            **{
                "tenant": f"t{number}",
                "followed": True,
                "wake": channels(f"g{number}"),
                "idempotency_key": f"k{number}",
                "fingerprint": "f",
            }
            | changes,
        )
        for number in range(num_jobs)
    ]


def worst_claims(store: JobStore, num_jobs: int) -> list[Claim]:
    """Take such jobs after they have lost a worker, so that they run as suspects in groups."""
    worst_jobs(store, num_jobs)
    for _ in range(0, num_jobs, 16):
        come_due(store, *(claim.id for claim in store.turn("w0", sources=[queue_of("minilm")]).claims))
        store.reap()
    claims = []
    while found := store.turn("w1", sources=[SUSPECTS]).claims:
        claims += found
    assert len(claims) == num_jobs
    return claims


def test_a_turn_with_as_many_outcomes_and_jobs_as_it_may_have(store: JobStore) -> None:
    claims = worst_claims(store, MAX_JOBS)
    pass_deadline(store, *worst_jobs(store, 40, idempotency_key=""))
    more = worst_claims_waiting(store)
    outcomes = [failed(claim, TriptychError()) for claim in claims]
    with bounded(store):
        turn = store.turn("w1", outcomes, sources=QUEUES, max_jobs=MAX_JOBS)
    assert turn.accepted == [True] * MAX_JOBS and len(turn.claims) == MAX_JOBS and more


def worst_claims_waiting(store: JobStore) -> int:
    """Let suspects wait in groups, and jobs in many queues."""
    claims = [claimed(store, followed=True, tenant=f"u{number}", wake=channels(f"u{number}")) for number in range(15)]
    come_due(store, *(claim.id for claim in claims))
    store.reap()
    for number in range(6):
        worst_jobs(store, 4, model=f"m{number}", idempotency_key="")
    return len(claims)


def test_outcomes_of_jobs_that_the_reaper_has_taken(store: JobStore) -> None:
    claims = worst_claims(store, MAX_JOBS)
    come_due(store, *(claim.id for claim in claims))
    store.reap()
    for number in range(24):
        worst_jobs(store, 1, model=f"m{number % 6}", wake=channels(f"h{number}"), idempotency_key="")
    with bounded(store):
        turn = store.turn("w1", [failed(claim, TriptychError()) for claim in claims], sources=QUEUES)
    assert turn.accepted == [True] * MAX_JOBS and len(turn.claims) == MAX_JOBS


CALLS: dict[str, Callable[[JobStore, list[Claim]], object]] = {
    "renew": lambda store, claims: store.renew_leases([(claim.id, claim.attempt) for claim in claims]),
    "progress": lambda store, claims: store.progress([(claim, 1, 2) for claim in claims]),
    "publish": lambda store, claims: store.publish([(claim, b"[]") for claim in claims], "token"),
    "release": lambda store, claims: store.release(claims),
    "abandon": lambda store, claims: store.abandon(
        [HeldAttempt(claim.id, claim.attempt, True, False, True) for claim in claims]
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("taken", [False, True])
def test_a_call_for_all_jobs_of_a_large_worker(store: JobStore, name: str, taken: bool) -> None:
    claims = worst_claims(store, 48)
    if taken:
        come_due(store, *(claim.id for claim in claims))
        store.reap()
    with bounded(store):
        CALLS[name](store, claims)


def test_marking_answers_as_delivered(store: JobStore) -> None:
    claims = worst_claims(store, 48)
    for claim in claims:
        store.succeed(claim, ANSWER)
    with bounded(store):
        store.mark_delivered([claim.id for claim in claims], 1.0)


@pytest.mark.parametrize("what", ["expire", "take back", "fail", "purge"])
def test_a_reaper_with_much_to_do(store: JobStore, what: str) -> None:
    claims = worst_claims(store, 48)
    ids = [claim.id for claim in claims]
    if what == "expire":
        store.release(claims)
        pass_deadline(store, *ids)
    elif what == "purge":
        for claim in claims:
            store.succeed(claim, ANSWER)
        store.client.zadd(f"{PREFIX}expiring", dict.fromkeys(ids, 0))
    elif what == "fail":
        for claim in claims:
            store.client.hset(f"{PREFIX}job:{claim.id}", mapping={"alone": 5, "group": claim.id})
    come_due(store, *ids)
    with bounded(store):
        store.reap()


def test_a_submit_with_everything(store: JobStore) -> None:
    worst_jobs(store, 1)
    with bounded(store):
        worst_jobs(store, 1, idempotency_key="other")


def test_waking_many_queues(store: JobStore) -> None:
    queues = [queue_of(f"m{number}") for number in range(200)]
    for number in range(200):
        submit(store, model=f"m{number}")
    store.client.delete(*queues, *map(newcomers_of, queues))
    with bounded(store):
        assert store.wake_queues(queues) == 200
    store.client.delete(*queues)
    with bounded(store):
        store.reap()
