"""From a checked request to a job in the store, and to its end if the client waits. Steps 1, 2 and 8 of a job.

When ``submit`` has returned, the job is in the store and reaches a terminal state whatever process dies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import gevent
import msgspec
import redis
from flask import request as http_request

from contracts.errors import Unavailable
from contracts.job_ids import new_job_id
from contracts.jobs import Job, NewJob
from contracts.shapes import num_inputs
from contracts.store.job_writer import Admission, JobWriter
from contracts.store.problems import TIMEOUT, problem_of
from services.gateway.http.bodies.receiving import keep_body, release_body
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.errors import ClientDisconnected
from services.gateway.http.request_facts import current_facts
from services.gateway.jobs.canceller import Canceller
from services.gateway.jobs.idempotency import fingerprint, hash_of_key
from services.gateway.jobs.submission import Submission
from services.gateway.jobs.waiting import JobWaiter
from services.gateway.models.selection import ModelSelector
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor
from services.gateway.settings import GatewaySettings


@dataclass(frozen=True)
class SubmitRequest:
    """A parsed request to submit a job. ``wait_s`` is how long the client waits for the job's end.

    With ``cancels_if_gone`` a client that disconnects meanwhile cancels its job, since it has no id by which any client
    could read it. One with an Idempotency-Key never cancels: it may come back.
    """

    tenant: str
    route: str
    """Names the route, and whatever else of the request is not in ``submission`` but makes it another request."""
    submission: Submission
    idempotency_key: str | None
    wait_s: float
    cancels_if_gone: bool = False
    follows: bool = False
    """Whether the client gets the job's stream of events, from its beginning."""
    body: msgspec.Struct | None = None
    """The body of another API's route, if it has more fields than ``submission``: they distinguish requests too."""


@dataclass(frozen=True)
class SubmitResult:
    """The job as it was when the wait ended; ``replayed`` if it is the job of an earlier request with the same key."""

    job: Job
    has_key: bool
    replayed: bool


class Submitter:
    """Puts jobs into the store and waits for them."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        writer: JobWriter,
        monitor: Monitor,
        models: ModelSelector,
        waiter: JobWaiter,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._canceller = Canceller(writer)
        self._monitor = monitor
        self._models = models
        self._waiter = waiter
        self._metrics = metrics
        # Beyond the first limit the error is a 503, since all tenants share a model's queue. Beyond the second it is a
        # 429, since the tenant itself has too many jobs.
        self._admission = Admission(settings.max_waiting, settings.max_active, settings.max_idempotency_keys)

    def submit(self, request: SubmitRequest) -> SubmitResult:
        """Write the job, and wait for its end for up to ``wait_s``.

        Raises:
            UnknownModel, InvalidRequest, IdempotencyMismatch: the request can't be served.
            QueueFull, QuotaExceeded, IdempotencyQuotaExceeded, Unavailable: it can't be served now; nothing was
                written.
            ClientDisconnected: the client does not wait any more.
        """
        facts, disconnected = current_facts(), disconnect_check(http_request)
        new = self._new_job(request, facts.id)
        # A request that waits keeps its texts in memory; others give their room back as soon as the texts are stored.
        waits = request.wait_s > 0 or request.follows
        if waits:
            keep_body()
        # The watch begins before the job exists: a fast worker may finish it before the reply to `submit` is here, and
        # the wake-up for that would be lost.
        with self._waiter.watch(new.id, request.tenant, disconnected) as wait:
            job_id, replayed = self._write(new, request)
            if not waits:
                release_body()
            facts.job_id = job_id
            self._metrics.submitted(new.task, replayed)
            result = partial(SubmitResult, has_key=request.idempotency_key is not None, replayed=replayed)
            if not replayed and request.wait_s <= 0:
                return result(_as_submitted(new, self._monitor.store_time()))
            if not replayed:
                return result(self._finished(wait.for_end_of_submitted, request, job_id))
        # A replayed request gets the job of the earlier one, which has another id than the one watched above.
        with self._waiter.watch(job_id, request.tenant, disconnected) as wait:
            return result(self._finished(wait.for_end, request, job_id))

    def _write(self, new: NewJob, request: SubmitRequest) -> tuple[str, bool]:
        try:
            return self._writer.submit(new, self._admission)
        except redis.RedisError as error:
            # The store may have accepted the job, or may do so as soon as it answers again.
            if request.cancels_if_gone and problem_of(error) == TIMEOUT:
                gevent.spawn(self.abandon, request, new.id)
            raise

    def _finished(self, wait: Callable[[float], Job], request: SubmitRequest, job_id: str) -> Job:
        try:
            return wait(request.wait_s)
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

    def _new_job(self, request: SubmitRequest, request_id: str) -> NewJob:
        self._monitor.check_writes()
        settings, submission = self._settings, request.submission
        spec = submission.spec
        card = self._models.model_for(spec.name, submission.model)
        # The worker checks again. This check spares the queue jobs that can't succeed.
        spec.check_model(card, submission.inputs, submission.parameters)
        message = _encoded(submission)
        key = request.idempotency_key
        return NewJob(
            id=new_job_id(request.tenant, self._monitor.store_time()),
            tenant=request.tenant,
            task=spec.name,
            model=card.name,
            request=message,
            metadata=msgspec.json.encode(submission.metadata),
            num_inputs=num_inputs(submission.inputs),
            deadline_s=submission.deadline_s or settings.deadline_s,
            timeout_s=submission.timeout_s or settings.timeout_s,
            ttl_s=submission.ttl_s or settings.ttl_s,
            keep=submission.ttl_s is not None or key is not None,
            wake=self._waiter.address(request.follows) if request.wait_s > 0 or request.follows else "",
            followed=submission.stream,
            idempotency_key=hash_of_key(key) if key is not None else "",
            fingerprint=_fingerprint(request, card.name, message),
            request_id=request_id,
        )


def _fingerprint(request: SubmitRequest, model: str, message: bytes) -> str:
    # Only if it is needed: the text of a large body is encoded once more for it.
    if request.idempotency_key is None:
        return ""
    gevent.sleep(0)  # each step takes milliseconds for a large body, and others have their turn in between
    return fingerprint(request.route, request.body, request.submission, model, message)


def _encoded(submission: Submission) -> bytes:
    """Return what crosses the queue. ``stream`` is left out if false: request types of other tasks refuse the field."""
    document = {"inputs": submission.inputs, "parameters": submission.parameters}
    if submission.stream:
        document["stream"] = True
    return msgspec.json.encode(document)


def _as_submitted(new: NewJob, now: float) -> Job:
    """Return the record of a job as ``submit`` has just written it, without a round trip to read it.

    ``now`` is an estimate of the store's time, good to milliseconds; the record has the exact one.
    """
    return Job(
        id=new.id,
        tenant=new.tenant,
        task=new.task,
        model=new.model,
        status="queued",
        version=1,
        attempt=0,
        crashes=0,
        created_at=now,
        deadline_at=now + new.deadline_s,
        progress_total=new.num_inputs,
        metadata=new.metadata,
        request_id=new.request_id,
    )
