"""From a checked request to the job that is written for it. Step 2 on the path of a job."""

from dataclasses import dataclass
from typing import NamedTuple

import gevent
import msgspec

from contracts.errors import LimitExceeded
from contracts.job_ids import new_job_id
from contracts.jobs import Flow, Job, Lane, NewJob
from contracts.shapes import num_inputs
from services.gateway.http.request_facts import RequestFacts
from services.gateway.jobs.idempotency import fingerprint, hash_of_key
from services.gateway.jobs.submission import Submission
from services.gateway.limits.book import LimitBook, Limits
from services.gateway.limits.ceilings import Asked, check_ceilings
from services.gateway.models.selection import ModelSelector
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
    has_times: bool = True
    """Whether its API has the fields ``deadline_s`` and ``timeout_s``."""
    has_priority: bool = True
    """Whether its API has the field ``priority``."""

    @property
    def waits(self) -> bool:
        """Whether somebody waits for the output, or reads it while it comes."""
        return self.wait_s > 0 or self.follows

    @property
    def lane(self) -> Lane:
        """Where the job waits: as the client says, or else by whether somebody waits for it."""
        return self.submission.priority or ("interactive" if self.waits else "default")

    @property
    def flow(self) -> Flow:
        """What the job shares with: those of its tenant in its lane."""
        return self.lane, self.tenant

    @property
    def model(self) -> str:
        """The model as the client names it: the task, if it leaves the choice to us."""
        return self.submission.model or self.submission.spec.name


class Made(NamedTuple):
    """A job of a request."""

    job: NewJob
    limits: Limits
    """Of its tenant."""
    exceeded: LimitExceeded | None
    """Why it can't be accepted anew: the request has a key, and may be one that was accepted under other limits."""


class NewJobMaker:
    """Makes jobs of requests."""

    def __init__(
        self, settings: GatewaySettings, *, monitor: Monitor, models: ModelSelector, limits: LimitBook
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._monitor = monitor
        self._models = models

    def make(self, request: SubmitRequest, facts: RequestFacts, wake: str) -> Made:
        """Return the job of a request; ``wake`` is the channel of this process, or empty if nobody waits.

        Raises:
            UnknownModel, InvalidRequest: the request can't be served, and no earlier one with its key was.
            redis.RedisError: the limits of its tenant can't be read.
        """
        submission, limits = request.submission, self._limits.of(request.tenant, facts.key_id)
        spec = submission.spec
        card = self._models.model_for(spec.name, submission.model)
        # The worker checks again. This check spares the queue jobs that can't succeed.
        spec.check_model(card, submission.inputs, submission.parameters)
        demand = spec.demand(submission.inputs, submission.parameters)
        load = self._monitor.loads.of(card.name)
        costs = {"price_s": load.price_s(demand), "least_s": load.least_s(demand)}
        job = self._job(request, facts, limits, model=card.name, wake=wake, **costs)
        asked = Asked(submission.times, demand, load.profile, len(job.request) + len(job.metadata))
        return Made(job, limits, _exceeded(request, asked, limits))

    def _job(
        self, request: SubmitRequest, facts: RequestFacts, limits: Limits, *, model: str, wake: str, **costs: float
    ) -> NewJob:
        submission, lane = request.submission, request.lane
        message = _encoded(submission)
        deadline_s, timeout_s = self._clocks(request, limits, is_bulk=lane == "bulk")
        return NewJob(
            id=new_job_id(request.tenant, self._monitor.store_time()),
            tenant=request.tenant,
            task=submission.spec.name,
            model=model,
            request=message,
            metadata=msgspec.json.encode(submission.metadata),
            num_inputs=num_inputs(submission.inputs),
            deadline_s=deadline_s,
            timeout_s=timeout_s,
            ttl_s=submission.ttl_s or min(self._settings.ttl_s, limits.max_ttl_s),
            keep=submission.ttl_s is not None or request.idempotency_key is not None,
            followed=submission.stream,
            idempotency_key=_hashed_key(request),
            fingerprint=_fingerprint(request, model, message),
            lane=lane,
            weight=limits.weight,
            key_id=facts.key_id,
            request_id=facts.id,
            wake=wake,
            **costs,
        )

    def _clocks(self, request: SubmitRequest, limits: Limits, *, is_bulk: bool) -> tuple[float, float]:
        """Return the seconds until the job's deadline, and those of one attempt."""
        settings, submission = self._settings, request.submission
        default_s = settings.bulk_deadline_s if is_bulk else settings.deadline_s
        deadline_s = submission.deadline_s or min(default_s, limits.max_deadline_s)
        # An attempt at a bulk job gets what others leave, so its time says nothing of whether it is stuck.
        default_s = deadline_s if is_bulk else settings.timeout_s
        return deadline_s, submission.timeout_s or min(default_s, limits.max_timeout_s)


def _exceeded(request: SubmitRequest, asked: Asked, limits: Limits) -> LimitExceeded | None:
    try:
        check_ceilings(asked, limits)
    except LimitExceeded as error:
        if request.idempotency_key is None:
            raise
        return error
    return None


def as_submitted(new: NewJob, now: float) -> Job:
    """Return the record of a job as it has just been written, without a round trip to read it.

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
        lane=new.lane,
        price_s=new.price_s,
        least_s=new.least_s,
        metadata=new.metadata,
        request_id=new.request_id,
    )


def _hashed_key(request: SubmitRequest) -> str:
    return "" if request.idempotency_key is None else hash_of_key(request.idempotency_key)


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
