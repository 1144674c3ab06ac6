"""From a checked request to a job in the store, and to its end if the client waits. Steps 1, 2 and 8 of a job.

When ``submit`` has returned, the job is in the store and reaches a terminal state whatever process dies.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import gevent
import redis
from flask import request as http_request

from contracts.errors import DeadlineUnreachable, QueueFull, QuotaExceeded, Unavailable
from contracts.jobs import Job
from contracts.store.job_writer import JobWriter, Submit
from contracts.store.problems import TIMEOUT, UNREACHABLE, problem_of
from contracts.store.queues.admission import Accepted, Admission
from services.gateway.http.bodies.receiving import keep_body, release_body
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.errors import ClientDisconnected
from services.gateway.http.request_facts import RequestFacts, current_facts
from services.gateway.jobs.advice import advise
from services.gateway.jobs.canceller import Canceller
from services.gateway.jobs.new_job import Made, NewJobMaker, SubmitRequest, as_submitted
from services.gateway.jobs.places import MIN_RETRY_S, Places
from services.gateway.jobs.view import QueuePlace
from services.gateway.jobs.waiting import JobWaiter
from services.gateway.limits.book import LimitBook
from services.gateway.limits.pacing import Pacing
from services.gateway.models.selection import ModelSelector
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor
from services.gateway.offload.errors import GatewayBusy
from services.gateway.settings import GatewaySettings
from services.gateway.store.submits import Submits

_TOO_MANY_WAIT = (
    "Too many requests wait for their jobs, so this one was not looked at. Try again shortly; or send "
    "'Prefer: respond-async', and read the job later. TRIPTYCH_MAX_CONNECTIONS sets how many may wait."
)


@dataclass(frozen=True)
class SubmitResult:
    """The job as it was when the wait ended; ``replayed`` if it is the job of an earlier request with the same key."""

    job: Job
    has_key: bool
    replayed: bool
    place: QueuePlace | None
    """Where the job waits, if it does."""
    retry_after_s: int
    """When an unfinished job should be read."""
    crowded: bool = False
    """Whether the request did not wait, because too many did."""


class Submitter:
    """Puts jobs into the store and waits for them."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        writer: JobWriter,
        submits: Submits,
        pacing: Pacing,
        monitor: Monitor,
        models: ModelSelector,
        waiter: JobWaiter,
        places: Places,
        limits: LimitBook,
        metrics: Metrics,
    ) -> None:
        self._new_jobs = NewJobMaker(settings, monitor=monitor, models=models, limits=limits)
        self._submits = submits
        self._pacing = pacing
        self._canceller = Canceller(writer)
        self._monitor = monitor
        self._waiter = waiter
        self._places = places
        self._metrics = metrics
        self._settings = settings

    def submit(self, request: SubmitRequest) -> SubmitResult:
        """Write the job, and wait for its end for up to ``wait_s``.

        Raises:
            GatewayBusy: too many requests wait already, and the client expects an output.
            UnknownModel, InvalidRequest, IdempotencyMismatch: the request can't be served.
            QueueFull, QuotaExceeded, IdempotencyQuotaExceeded, Unavailable: it can't be served now; nothing was
                written.
            ClientDisconnected: the client does not wait any more.
        """
        self._pacing.wait(request.flow, request.model)
        if request.wait_s <= 0:
            return self._submit(request)
        with self._waiter.room.place() as is_free:
            if is_free:
                return self._submit(request)
        # Whoever knows jobs can read this one later; others would not know what to do with its id.
        if request.cancels_if_gone:
            raise GatewayBusy(_TOO_MANY_WAIT)
        return replace(self._submit(replace(request, wait_s=0.0)), crowded=True)

    def _submit(self, request: SubmitRequest) -> SubmitResult:
        facts, disconnected = current_facts(), disconnect_check(http_request)
        self._monitor.check_writes()
        made = self._new_jobs.make(request, facts, self._waiter.address(request.follows) if request.waits else "")
        new = made.job
        # A request that waits keeps its texts in memory; others give their room back as soon as the texts are stored.
        if request.waits:
            keep_body()
        # The watch begins before the job exists: a fast worker may finish it before the reply to `submit` is here, and
        # the wake-up for that would be lost.
        with self._waiter.watch(new.id, request.tenant, disconnected) as wait:
            job_id, replayed, place = self._write(made, request, facts)
            if not request.waits:
                release_body()
            facts.job_id = job_id
            self._metrics.submitted(new.task, replayed)
            if not replayed and request.wait_s <= 0:
                job = as_submitted(new, self._monitor.store_time())
                return self._result(request, job, None if place is None else self._places.as_seen(job, place))
            if not replayed:
                return self._after_wait(wait.for_end_of_submitted, request, job_id)
        # A replayed request gets the job of the earlier one, which has another id than the one watched above.
        with self._waiter.watch(job_id, request.tenant, disconnected) as wait:
            return replace(self._after_wait(wait.for_end, request, job_id), replayed=True)

    def _write(self, made: Made, request: SubmitRequest, facts: RequestFacts) -> Accepted:
        new = made.job
        try:
            reply = self._submits.send(Submit(new, self._admission_of(made)))
            facts.meters = reply.meters
            accepted = reply.accepted()
        except (DeadlineUnreachable, QueueFull, QuotaExceeded) as error:
            if isinstance(error, DeadlineUnreachable | QueueFull):
                advise(error, request, new, made.limits)
            if isinstance(error, QuotaExceeded | QueueFull):
                self._pacing.note_eta(request.flow, request.model, math.inf)
            raise
        except redis.RedisError as error:
            # The store may have accepted the job, or may do so as soon as it answers again.
            if request.cancels_if_gone and problem_of(error) in {TIMEOUT, UNREACHABLE}:
                gevent.spawn(self.abandon, request, new.id)
            raise
        if accepted.place is not None and self._pacing.is_needed:
            eta_s = self._places.eta_s(new.model, new.lane, accepted.place)
            self._pacing.note_eta(request.flow, request.model, eta_s or 0.0)
        return accepted

    def _admission_of(self, made: Made) -> Admission:
        new, limits, load = made.job, made.limits, self._monitor.loads.of(made.job.model)
        is_priced = new.price_s > 0  # else its model was not measured, and nothing is refused by time
        return Admission(
            max_waiting=self._settings.max_waiting,
            max_active=limits.max_active,
            max_idempotency_keys=self._settings.max_idempotency_keys,
            lane_rate=load.lane_rates[new.lane] if is_priced else 0.0,
            capacity=load.capacity.total if is_priced else 0.0,
            capacity_of_one=load.capacity.of_one if is_priced else 0.0,
            lane_use=load.lane_uses[new.lane],
            max_bytes=limits.max_bytes,
            meters=limits.meters(new.price_s),
            own_limits=limits.own,
            exceeded=made.exceeded,
        )

    def result_of(self, request: SubmitRequest, job: Job) -> SubmitResult:
        """Return the result of a request whose job was read again. Raises ``redis.RedisError``."""
        return self._result(request, job, self._places.of(job))

    def _result(self, request: SubmitRequest, job: Job, place: QueuePlace | None) -> SubmitResult:
        has_key = request.idempotency_key is not None
        retry_after_s = MIN_RETRY_S if job.finished else self._places.retry_after_s(job, place)
        return SubmitResult(job, has_key, replayed=False, place=place, retry_after_s=retry_after_s)

    def _after_wait(self, wait: Callable[[float], Job], request: SubmitRequest, job_id: str) -> SubmitResult:
        try:
            job = wait(request.wait_s)
            return self.result_of(request, job)
        except ClientDisconnected:
            if request.cancels_if_gone:
                self.abandon(request, job_id)
            raise
        except (Unavailable, redis.RedisError):
            # This client is still there, but gets an error without the job's id, for which it must not wait twice.
            if request.cancels_if_gone:
                gevent.spawn(self.abandon, request, job_id)
            raise

    @property
    def is_stopping(self) -> bool:
        """Whether waits end before their time, because the process stops."""
        return self._waiter.closing

    def abandon(self, request: SubmitRequest, job_id: str) -> None:
        """Cancel a job whose client has no id of it, unless the client may come back for it with its key."""
        if request.idempotency_key is None:
            self._canceller.cancel(job_id, request.tenant)
