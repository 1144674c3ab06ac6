"""What a client may change: it submits, cancels and deletes jobs. Step 2 on the path of a job."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import redis

from contracts.jobs import NewJob
from contracts.limits import MeterState
from contracts.store.job_reader import JobReader
from contracts.store.queues.admission import Accepted, Admission, refusal
from contracts.store.queues.places import Place
from contracts.store.scripts import load_script
from contracts.store.tenants.limits import as_argument, states_from

MAX_DELIVERED, MAX_SUBMITS = 60, 12
"""Jobs of one call, so that the store serves others in between."""
IDEMPOTENCY_TTL_S = 24 * 3600
MAX_WORK_S, MAX_WEIGHT = 1e9, 1e6
"""Work and weights are added up for all tenants, so a submit takes only what sums can stand: ``price_s`` and
``least_s`` from 0 to the first, and a ``weight`` of more than 0, to the second."""


class Submit(NamedTuple):
    """A job to submit, and what is applied to it."""

    job: NewJob
    admission: Admission


class SubmitReply:
    """What the store says to a submit."""

    def __init__(self, submit: Submit, reply: "list[Any] | redis.RedisError") -> None:
        self._submit = submit
        self._reply = reply

    @property
    def meters(self) -> list[MeterState] | None:
        """The states of the admission's meters, whether or not the job is accepted; None if the submit has failed."""
        if isinstance(self._reply, redis.RedisError):
            return None
        return states_from(self._submit.admission.meters, self._reply[2])

    def accepted(self) -> Accepted:
        """Return the reply to a job that is accepted. Raises the errors of ``JobWriter.submit``."""
        job, admission = self._submit
        if isinstance(self._reply, redis.RedisError):
            raise self._reply
        outcome, value, used, *place = self._reply
        if outcome not in {b"created", b"replayed"}:
            raise refusal(outcome, value, job, admission, states_from(admission.meters, used))
        if not place:
            return Accepted(value.decode(), value.decode() != job.id, None)
        position, work_ahead_s, running_s = place
        found = Place(position, float(work_ahead_s), job.price_s, float(running_s), job.least_s)
        return Accepted(job.id, False, found)


class JobWriter:
    """Submits, cancels and deletes jobs. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._reader = JobReader(client)
        self._submit = load_script(client, "submit")
        self._cancel = load_script(client, "cancel")
        self._delete = load_script(client, "delete")
        self._follow = load_script(client, "follow")
        self._delivered = load_script(client, "delivered")

    def submit(self, job: NewJob, admission: Admission) -> Accepted:
        """Write a job's record; from then on the job reaches a terminal state whatever process dies.

        Raises:
            IdempotencyMismatch, DeadlineUnreachable: the request can't be served; nothing was written.
            IdempotencyQuotaExceeded, QueueFull, QuotaExceeded: it can't be served now; nothing was written.
            ValueError: by a fault of the caller, price or weight is out of bounds; nothing was written.
        """
        (reply,) = self.submit_all([Submit(job, admission)])
        return reply.accepted()

    def submit_all(self, submits: Sequence[Submit]) -> list[SubmitReply]:
        """Write the records of several jobs in one call. Each is accepted or refused by itself, as by ``submit``.

        At most ``MAX_SUBMITS``, so that the store serves others in between. If the call fails, each of the jobs may
        have been accepted. After a ``ValueError``, by a fault of the caller in one of them, none was.
        """
        for submit in submits:
            _check(submit.job)
        replies = self._submit(args=[part for submit in submits for part in _arguments(submit)])
        return [SubmitReply(submit, reply) for submit, reply in zip(submits, replies, strict=True)]

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


def _check(job: NewJob) -> None:
    # NaN is neither less nor more than any number.
    if not (0 <= job.price_s <= MAX_WORK_S and 0 <= job.least_s <= MAX_WORK_S and 0 < job.weight <= MAX_WEIGHT):
        raise ValueError(f"job {job.id} can't have price_s {job.price_s}, least_s {job.least_s}, weight {job.weight}")


def _arguments(submit: Submit) -> list[str | bytes | float]:
    """Return what the script takes for a job: how many arguments, and these."""
    job, admission = submit
    arguments = [
        *(job.id, job.idempotency_key, job.fingerprint, IDEMPOTENCY_TTL_S, admission.max_idempotency_keys),
        *(admission.max_waiting, admission.max_active, admission.max_bytes, "" if admission.exceeded is None else "1"),
        *(as_argument(admission.meters), job.deadline_s),
        *(admission.lane_rate, admission.capacity, admission.capacity_of_one),
        *admission.lane_use,
        *_record_of(job),
    ]
    return [len(arguments), *arguments]


def _record_of(job: NewJob) -> list[str | bytes | float]:
    """Return fields and values of a new record. What says nothing is left out: each takes memory in every record."""
    return [
        *("tenant", job.tenant, "task", job.task, "model", job.model, "request", job.request),
        *("timeout_s", job.timeout_s, "ttl_s", job.ttl_s, "price_s", job.price_s),
        *(("metadata", job.metadata, "extra_bytes", len(job.metadata)) if job.metadata != b"{}" else ()),
        *(("progress_total", job.num_inputs) if job.num_inputs != 1 else ()),
        *(("lane", job.lane) if job.lane != "default" else ()),
        *(("least_s", job.least_s) if job.least_s else ()),
        *(("weight", job.weight) if job.weight != 1 else ()),
        *(("request_id", job.request_id) if job.request_id else ()),
        *(("keep", "1") if job.keep else ()),
        *(("wake", job.wake) if job.wake else ()),
        *(("followed", "1") if job.followed else ()),
        *(("key", job.key_id) if job.key_id else ()),
    ]
