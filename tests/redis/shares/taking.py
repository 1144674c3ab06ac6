"""Takes jobs as workers do, and sums up what each tenant or lane was given."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from contracts.jobs import Claim
from contracts.price.estimate import Consumed
from contracts.store.attempts.outcomes import succeeded
from tests.redis.builders import ANSWER, QUEUE, submit
from tests.support.job_store import JobStore


def take(store: JobStore, num_jobs: int, *, at_once: int = 1, pass_by: Sequence[tuple[str, str]] = ()) -> list[Claim]:
    """Start jobs, so many in each call; return the attempts in their order."""
    claims: list[Claim] = []
    while len(claims) < num_jobs:
        found = store.turn("w1", sources=[QUEUE], max_jobs=min(at_once, num_jobs - len(claims)), pass_by=pass_by).claims
        if not found:
            break
        claims += found
    return claims


def work_of(claims: Iterable[Claim], name: Callable[[Claim], str] = lambda claim: claim.tenant) -> Counter[str]:
    """Return the work-seconds of attempts by tenant, or by another name."""
    found: Counter[str] = Counter()
    for claim in claims:
        found[name(claim)] += claim.price_s  # type: ignore[assignment]
    return found


def flood(store: JobStore, num_jobs: int, tenant: str, price_s: float, **changes: object) -> list[str]:
    """Submit equal jobs of a tenant."""
    return [submit(store, tenant=tenant, price_s=price_s, **changes) for _ in range(num_jobs)]


def end(store: JobStore, claims: Sequence[Claim], work_s: float | None = None) -> None:
    """Let jobs succeed, each with this work, or else with that of its price."""
    for claim in claims:
        consumed = Consumed(claim.price_s if work_s is None else work_s, 1, 1)
        outcome = structs.replace(succeeded(claim, ANSWER), consumed=consumed)
        assert store.turn("w1", [outcome]).accepted == [True]
