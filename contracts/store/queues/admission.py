"""What decides whether a job is accepted, and what a client hears if it is not. Step 2 on the path of a job."""

import math
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

import msgspec

from contracts.errors import (
    DeadlineUnreachable,
    IdempotencyMismatch,
    IdempotencyQuotaExceeded,
    LimitExceeded,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    StorageQuotaExceeded,
    TriptychError,
)
from contracts.jobs import NewJob
from contracts.limits import NO_LIMIT, Meter, MeterState, set_by
from contracts.store.queues.places import Place
from contracts.store.queues.shares import NOT_KNOWN, LaneUse

MAX_IDEMPOTENCY_KEYS = 100_000
"""Keys that a tenant may have at once. Each takes about 300 bytes of the store's memory for a day."""


class Admission(msgspec.Struct, frozen=True):
    """What a submit applies to a job: limits, and how fast the workers of its model are."""

    # In effect no limits, for callers without admission control; a gateway passes those of its settings.
    max_waiting: int = 1_000_000
    """Jobs that wait for one model."""
    max_active: int = 1_000_000
    """Unfinished jobs of one tenant."""
    max_idempotency_keys: int = MAX_IDEMPOTENCY_KEYS
    lane_rate: float = 0.0
    """Work-seconds that the job's lane gets in a second; 0 if that is unknown, and then nothing is refused by time."""
    capacity: float = 0.0
    """Work-seconds that all workers of the model do in a second."""
    capacity_of_one: float = 0.0
    """Work-seconds that the fastest of them does in a second; 0 if that is unknown."""
    lane_use: LaneUse = NOT_KNOWN
    max_bytes: int = NO_LIMIT
    """Of a tenant, in requests of unfinished jobs and in results that were not delivered."""
    meters: tuple[Meter, ...] = ()
    """Rates that apply to the request."""
    own_limits: Collection[str] = ()
    """Names of the limits that an operator has set for the tenant alone, for errors."""
    exceeded: LimitExceeded | None = None
    """Why only the job of an earlier request with the same key may be the answer: limits may have changed since."""


class Accepted(NamedTuple):
    """The reply to a submit."""

    job_id: str
    replayed: bool
    """Whether it is the job of an earlier request with the same idempotency key."""
    place: Place | None
    """Where the job waits; None for one that was accepted before."""


_REFUSALS: dict[bytes, tuple[type[TriptychError], str]] = {
    b"mismatch": (
        IdempotencyMismatch,
        "This Idempotency-Key was used for another request. Use a new key for a new request.",
    ),
    b"too_many_keys": (
        IdempotencyQuotaExceeded,
        "You have used as many Idempotency-Keys in 24 hours as you may. Send the request without one, or wait.",
    ),
    b"queue_full": (QueueFull, "The queue of model {model} is full. Nothing was accepted; try again later."),
    b"late": (
        QueueFull,
        "Model {model} has more work than it can do before this job's deadline_s of {deadline_s:g}. Nothing was "
        "accepted; try again in {wait_s} s.",
    ),
    b"unreachable": (
        DeadlineUnreachable,
        "This job would take about {price_s} work-seconds, of which a worker of model {model} does {rate} in a "
        "second{steps}. That is more than its {clock} of {clock_s:g} allows, even if nothing else waits. Send fewer "
        "inputs in one request, or ask for fewer tokens.",
    ),
    b"too_many_jobs": (
        QuotaExceeded,
        "You have as many unfinished jobs as you may have: max_active is {max_active} (set by {max_active_by}). Wait "
        "for some to finish.",
    ),
    b"too_many_bytes": (
        StorageQuotaExceeded,
        "This request, those of your unfinished jobs and the results that you have not fetched would take more bytes "
        "than they may: max_bytes is {max_bytes} (set by {max_bytes_by}). Fetch or delete results, or wait for jobs "
        "to finish.",
    ),
    b"rate_limited": (RateLimited, "Too much in too short a time: {rates}. Try again in {wait_s} s."),
}


def refusal(outcome: bytes, value: bytes, job: NewJob, admission: Admission, states: list[MeterState]) -> TriptychError:
    """Return the error that a client gets. ``outcome`` and ``value`` are the script's reply (lua/submit.lua)."""
    if outcome == b"exceeded" and admission.exceeded:
        return admission.exceeded
    error, message = _REFUSALS[outcome]
    waits = [float(value)] if value else [one.wait_s for one in states] if error is RateLimited else []
    wait_s = max(waits, default=None)
    own, clock = admission.own_limits, "deadline_s" if job.deadline_s <= job.timeout_s else "timeout_s"
    facts = {
        "model": job.model,
        "price_s": _plain(job.price_s),
        "deadline_s": job.deadline_s,
        "clock": clock,
        "clock_s": getattr(job, clock),
        "rate": _plain(admission.capacity_of_one or admission.capacity),
        "steps": f", and {_plain(job.least_s)} s to write its longest text" if job.least_s else "",
        "max_active": admission.max_active,
        "max_active_by": set_by("max_active", job.tenant, own),
        "max_bytes": admission.max_bytes,
        "max_bytes_by": set_by("max_bytes", job.tenant, own),
        "rates": " and ".join(one.meter.words(own) for one in states if one.wait_s > 0),
        "wait_s": max(1, math.ceil(wait_s or 0.0)),
    }
    param = {b"unreachable": clock, b"late": "deadline_s"}.get(outcome)
    return error(message.format(**facts), param=param, retry_after_s=wait_s)


def _plain(number: float) -> str:
    """Return a number to three significant digits, without an exponent."""
    return f"{Decimal(f'{number:.3g}'):f}"
