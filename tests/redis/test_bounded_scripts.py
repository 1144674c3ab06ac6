"""The store serves nobody else while it runs a script, so each call of one is short: at most 500 commands.

Each case is the worst that callers can bring about: streams, idempotency keys, groups, a tenant with a key, a lane, a
model and a waiting gateway for each job. `make scale` looks at the time that calls take with a million jobs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec import structs

from contracts.errors import TriptychError
from contracts.jobs import LANES, Claim, Lane, newcomers_of, queue_of
from contracts.limits import Meter as Rate
from contracts.price.estimate import Consumed
from contracts.store.attempt_store import MAX_JOBS
from contracts.store.attempts.outcomes import failed, succeeded
from contracts.store.job_writer import MAX_SUBMITS, Submit
from contracts.store.keys import PREFIX, of_end_only, shares_key, tags_key, wake_channel
from contracts.store.queues.admission import Admission
from contracts.store.reaper import MAX_CHECKED, MAX_RECOUNTED
from tests.redis.builders import ANSWER, SUSPECTS, claimed, come_due, new_job, pass_deadline, submit
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
    print(cost)
    assert cost.max_commands <= MAX_COMMANDS


def channels(gateway: str) -> str:
    """Return as many as may be in a record, and one that gets the record at the end."""
    return " ".join([of_end_only(wake_channel(gateway)), *(wake_channel(f"{gateway}.{index}") for index in range(5))])


def worst_jobs(store: JobStore, num_jobs: int, **changes: object) -> list[str]:
    """Submit jobs that have everything a job may have."""
    return [
        submit(
            store,
            **{
                "tenant": f"t{number}",
                "key_id": f"key{number}",
                "lane": LANES[number % 3],
                "price_s": 0.1 * number,
                "weight": 1.0 + number % 4,
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
    # By their ids, which are random, suspects are put into groups, and a call stops when it has no commands left.
    assert turn.accepted == [True] * MAX_JOBS and MAX_JOBS // 2 < len(turn.claims) <= MAX_JOBS and more


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
    assert turn.accepted == [True] * MAX_JOBS and turn.claims


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


def test_counting_anew(store: JobStore) -> None:
    """As many records as are counted, all broken in the meantime, of a tenant whose counts are wrong."""
    ids = worst_jobs(store, MAX_RECOUNTED, tenant="t", idempotency_key="")
    for job_id in ids:
        store.client.hset(f"{PREFIX}job:{job_id}", "version", "what is this")
    store.client.hset(f"{PREFIX}held", "t", 1)
    with bounded(store):
        store.reap()
    assert store.num_broken() == MAX_RECOUNTED


def test_finding_many_jobs_that_run_no_more(store: JobStore) -> None:
    models = [f"x{number}" for number in range(MAX_CHECKED)]
    for model in models:
        worst_jobs(store, 1, model=model, tenant=model, idempotency_key="")
    claims = [claim for model in models for claim in store.turn("w1", sources=[queue_of(model)]).claims]
    for claim in claims:
        store.client.hset(f"{PREFIX}job:{claim.id}", "version", "what is this")
    with bounded(store):
        store.reap()
    assert not store.client.exists(f"{PREFIX}running_jobs")


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
    store.client.delete(*map(newcomers_of, queues))
    with bounded(store):
        store.reap()
    assert store.client.exists(*map(newcomers_of, queues)) == 200


def test_a_turn_that_has_to_do_with_as_many_flows_and_lanes_as_it_can(store: JobStore) -> None:
    """Each outcome is of another model and settles a flow of its own; each job that is started empties another flow."""
    models = [f"x{number}" for number in range(MAX_JOBS)]
    for model in models:
        worst_jobs(store, 1, model=model, idempotency_key=f"key of {model}", wake=channels(f"g.{model}"))
    claims = [claim for model in models for claim in store.turn("w1", sources=[queue_of(model)]).claims]
    for number in range(6):
        worst_jobs(store, 3, model=f"m{number}", idempotency_key="", wake=channels(f"h.{number}"))
    outcomes = [structs.replace(failed(claim, TriptychError()), consumed=Consumed(7.0, 10, 10)) for claim in claims]
    with bounded(store):
        turn = store.turn("w1", outcomes, sources=QUEUES, max_jobs=MAX_JOBS)
    assert turn.accepted == [True] * MAX_JOBS and turn.claims


def test_a_submit_that_looks_at_others(store: JobStore) -> None:
    for number in range(40):
        submit(store, tenant=f"t{number}", price_s=1.0)
    rates = Admission(lane_rate=1.0, capacity=1.0, capacity_of_one=1.0)
    with bounded(store):
        store.submit(new_job(price_s=1.0, deadline_s=1000.0, idempotency_key="k", fingerprint="f"), rates)


@pytest.mark.parametrize("models", [["minilm"], [f"m{number}" for number in range(MAX_SUBMITS)]])
def test_a_call_of_as_many_submits_as_it_takes(store: JobStore, models: list[str]) -> None:
    """Each job has all that a job may have, comes after one that is purged, and is compared with others that wait."""
    submits = [
        worst_submit(store, f"new{number}", models[number % len(models)], LANES[number % 3])
        for number in range(MAX_SUBMITS)
    ]
    for model in models:
        others = LANES if len(models) == 1 else [LANES[models.index(model) % 3]]
        for lane in others:
            for number in range(20):
                submit(store, tenant=f"t{number}", price_s=1.0, deadline_s=60.0, model=model, lane=lane)
            submit(store, tenant="hasty", price_s=0.001, deadline_s=0.01, model=model, lane=lane)
        for lane in set(LANES) - set(others):
            store.client.hset(shares_key(queue_of(model)), f"num:{lane}", 1_000_000)
        store.client.delete(queue_of(model), newcomers_of(queue_of(model)))
    with bounded(store):
        replies = store.submit_all(submits)
    assert [reply.accepted().job_id for reply in replies] == [submit.job.id for submit in submits]


def worst_submit(store: JobStore, name: str, model: str, lane: Lane) -> Submit:
    """Return the submit of a tenant who has had a job with the same key, which was long, and many keys long ago."""
    same = {"tenant": name, "model": model, "lane": lane, "idempotency_key": name, "fingerprint": "f"}
    earlier = claimed(store, price_s=0.5, **same)
    store.succeed(earlier, ANSWER, Consumed(0.5, 1, 1))
    store.delete(earlier.id, name)
    store.client.zadd(f"{PREFIX}idems:{name}", {f"old{number}": number for number in range(30)})
    store.client.zadd(tags_key(queue_of(model), lane), {name: 0.5})
    owners, kinds = (f"tenant:{name}", f"key:{name}"), ("requests", "work")
    meters = tuple(Rate(f"{kind}:{owner}", 1000, 1.0) for kind in kinds for owner in owners)
    job = new_job(key_id=name, price_s=1.0, deadline_s=1000.0, followed=True, **same)
    return Submit(job, Admission(lane_rate=10.0, capacity=10.0, capacity_of_one=10.0, meters=meters))


def test_the_usual_turn_of_a_busy_worker_is_far_from_the_limit(store: JobStore) -> None:
    """Tenants are all different, and for each job somebody waits, who may follow its events."""
    for number in range(2 * MAX_JOBS):
        name = f"t{number}"
        submit(
            store, tenant=name, key_id=name, price_s=0.1, lane=LANES[number % 3], wake=f"g{number}", followed=number % 2
        )
    outcomes = [failed(claim, TriptychError()) for claim in store.turn("w1", sources=QUEUES[:2]).claims]
    meter = Meter(store.client)
    with meter.measure("usual"):
        assert len(store.turn("w1", outcomes, sources=QUEUES[:2]).claims) == MAX_JOBS
    assert meter.costs()[0].max_commands <= 0.8 * MAX_COMMANDS


def test_a_usual_turn_takes_few_commands_besides_those_of_each_job(store: JobStore) -> None:
    """A job takes three commands to be started and three to end; what they have in common is read and written once."""
    for _ in range(3 * MAX_JOBS):
        submit(store, price_s=0.1)
    sources, meter = QUEUES[1:2], Meter(store.client)
    store.turn("w1", sources=sources)  # there are messages and counts from now on
    with meter.measure("started"):
        claims = store.turn("w1", sources=sources).claims
    with meter.measure("ended"):
        store.turn("w1", [succeeded(claim, ANSWER) for claim in claims])
    assert len(claims) == MAX_JOBS
    assert max(cost.max_commands for cost in meter.costs()) <= 3 * MAX_JOBS + 27


def test_a_usual_submit_takes_few_commands(store: JobStore) -> None:
    """It looks at flows of others only if one of them may be late, so not for ever because of one that had no time."""
    rates = Admission(lane_rate=10.0, capacity=10.0, capacity_of_one=10.0)
    for number in range(12):
        store.submit(new_job(tenant=f"t{number}", price_s=1.0), rates)
    store.submit(new_job(tenant="hasty", price_s=0.01, deadline_s=1.5), rates)
    store.submit(new_job(tenant="t0", price_s=1.0), rates)
    store.cancel(store.page("hasty", status=None, task=None, after=None, limit=1)[0][0].id, "hasty")
    store.submit(new_job(tenant="t0", price_s=1.0), rates)
    meter = Meter(store.client)
    with meter.measure("usual"):
        store.submit(new_job(tenant="t1", price_s=1.0), rates)
    assert meter.costs()[0].max_commands <= 20
