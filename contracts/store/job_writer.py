"""What a client may change: it submits, cancels and deletes jobs. Step 2 on the path of a job."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import redis

from contracts.errors import (
    IdempotencyMismatch,
    IdempotencyQuotaExceeded,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    StorageQuotaExceeded,
    TriptychError,
)
from contracts.jobs import NewJob
from contracts.limits import NO_LIMIT, Meter, MeterState, how_to_set
from contracts.store.job_reader import JobReader
from contracts.store.limits import as_argument, states_from
from contracts.store.places import Place
from contracts.store.scripts import load_script

MAX_DELIVERED = 60
"""Jobs of one call, so that the store serves others in between."""
IDEMPOTENCY_TTL_S = 24 * 3600
MAX_IDEMPOTENCY_KEYS = 100_000
"""Keys that a tenant may have at once. Each takes about 300 bytes of the store's memory for a day."""
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
    b"too_many_jobs": (
        QuotaExceeded,
        "You have as many unfinished jobs as you may have: max_active is {max_active} (set by {how_max_active}). Wait "
        "for some to finish.",
    ),
    b"too_many_bytes": (
        StorageQuotaExceeded,
        "This request, those of your unfinished jobs and the results that you have not fetched would take more bytes "
        "than they may: max_bytes is {max_bytes} (set by {how_max_bytes}). Fetch or delete results, or wait for jobs "
        "to finish.",
    ),
    b"rate_limited": (RateLimited, "Too much in too short a time: {rates}. Try again in {wait_s:.3g} s."),
}


class Admission(msgspec.Struct, frozen=True):
    """What `submit` applies to a job: limits, and how fast the workers of its model are."""

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
    max_bytes: int = NO_LIMIT
    """Of a tenant, in requests of unfinished jobs and in results that were not delivered."""
    meters: tuple[Meter, ...] = ()
    """Rates that apply to the request."""


class Accepted(NamedTuple):
    """The reply to a submit."""

    job_id: str
    replayed: bool
    """Whether it is the job of an earlier request with the same idempotency key."""
    place: Place | None
    """Where the job waits; None for one that was accepted before."""


class JobWriter:
    """Submits, cancels and deletes jobs. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._reader = JobReader(client)
        self._submit = load_script(client, "submit")
        self._cancel = load_script(client, "cancel")
        self._delete = load_script(client, "delete")
        self._follow = load_script(client, "follow")
        self._delivered = load_script(client, "delivered")

    def submit(
        self, job: NewJob, admission: Admission, on_meters: Callable[[list[MeterState]], None] | None = None
    ) -> Accepted:
        """Write a job's record; from then on the job reaches a terminal state whatever process dies.

        ``on_meters`` gets the states of the admission's meters, whether or not the job is accepted.

        Raises:
            IdempotencyMismatch, IdempotencyQuotaExceeded, QueueFull, QuotaExceeded: nothing was written.
        """
        record: list[str | bytes | float] = [
            *("tenant", job.tenant, "task", job.task, "model", job.model, "request", job.request),
            *("timeout_s", job.timeout_s, "ttl_s", job.ttl_s, "price_s", job.price_s),
            # What says nothing is left out: each field costs memory in every record.
            *(("metadata", job.metadata) if job.metadata != b"{}" else ()),
            *(("progress_total", job.num_inputs) if job.num_inputs != 1 else ()),
            *(("lane", job.lane) if job.lane != "default" else ()),
            *(("weight", job.weight) if job.weight != 1 else ()),
            *(("request_id", job.request_id) if job.request_id else ()),
            *(("keep", "1") if job.keep else ()),
            *(("wake", job.wake) if job.wake else ()),
            *(("followed", "1") if job.followed else ()),
            *(("key", job.key_id) if job.key_id else ()),
        ]
        limits = as_argument(admission.max_active, admission.max_bytes, admission.meters)
        outcome, value, used, *place = self._submit(
            args=[
                *(job.id, job.idempotency_key, job.fingerprint, IDEMPOTENCY_TTL_S, admission.max_idempotency_keys),
                *(admission.max_waiting, limits, job.deadline_s),
                *record,
            ]
        )
        states = states_from(admission.meters, used)
        if on_meters:
            on_meters(states)
        if outcome in _REFUSALS:
            raise _refusal(outcome, job, admission, states)
        if not place:
            return Accepted(value.decode(), value.decode() != job.id, None)
        position, work_ahead_s, running_s = place
        return Accepted(job.id, False, Place(position, float(work_ahead_s), job.price_s, float(running_s)))

    def follow(self, job_id: str, channel: str, *, events: bool = False) -> bool:
        """Let changes of a job be published on a channel; with ``events``, let it have a stream of events from now on.

        ``channel`` may be one of ``keys.of_end_only``.

        Returns:
            Whether the job is unfinished. If not, there is nothing to wait for, and nothing was written.
        """
        return bool(self._follow(args=[job_id, channel, "events" if events else ""]))

    def mark_delivered(self, job_ids: Sequence[str], keep_s: float) -> None:
        """Note that clients have the answers of these jobs, which are kept for ``keep_s`` seconds from now.

        Jobs that somebody wants to keep for longer (``NewJob.keep``) stay as they are.
        """
        for start in range(0, len(job_ids), MAX_DELIVERED):
            self._delivered(args=[keep_s, *job_ids[start : start + MAX_DELIVERED]])

    def cancel(self, job_id: str, tenant: str) -> None:
        """Ask for a job to stop. Raises the errors of ``JobReader.read``."""
        # A job never changes its tenant, so it does not matter that the check and the script are two steps.
        self._reader.state(job_id, tenant)
        self._cancel(args=[job_id])

    def delete(self, job_id: str, tenant: str) -> None:
        """Delete a job's record, request and output. An attempt that still runs can no longer write its result.

        Raises the errors of ``JobReader.read``.
        """
        self._reader.state(job_id, tenant)
        self._delete(args=[job_id])


def _refusal(outcome: bytes, job: NewJob, admission: Admission, states: list[MeterState]) -> TriptychError:
    error, message = _REFUSALS[outcome]
    wait_s = max((one.wait_s for one in states), default=0.0)
    facts = {
        "model": job.model,
        "max_active": admission.max_active,
        "how_max_active": how_to_set("max_active", job.tenant),
        "max_bytes": admission.max_bytes,
        "how_max_bytes": how_to_set("max_bytes", job.tenant),
        "rates": " and ".join(one.meter.words for one in states if one.wait_s > 0),
        "wait_s": wait_s,
    }
    return error(message.format(**facts), retry_after_s=wait_s if error is RateLimited else None)
