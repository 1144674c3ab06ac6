"""From a checked request to a job in the store, and to its end where the client waits. Steps 1, 2 and 8 of a job.

When ``submit`` has returned, the job is in the store and reaches a terminal state whatever dies.
"""

import hashlib
import re
from dataclasses import dataclass

import msgspec
from gevent.event import Event

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest, Unavailable, UnknownModel
from contracts.generation import Conversation
from contracts.jobs import Job, NewJob, new_job_id
from contracts.store.job_writer import Admission, JobWriter
from contracts.tasks import num_inputs
from services.gateway.jobs.waiting import JobWaiter, WakeUps
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor
from services.gateway.settings import GatewaySettings
from services.gateway.tasks.schemas import Submission

_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True)
class Ask:
    """One submit: who asks for what, on which route, and how long they wait for it."""

    tenant: str
    route: str
    task: str
    submission: Submission
    idempotency_key: str | None
    wait_s: float


@dataclass(frozen=True)
class Outcome:
    """The job as it was when the wait ended, and whether an earlier request had made it."""

    job: Job
    replayed: bool


class Submitter:
    """Puts jobs into the store and waits for them."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        writer: JobWriter,
        monitor: Monitor,
        wake_ups: WakeUps,
        waiter: JobWaiter,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._monitor = monitor
        self._wake_ups = wake_ups
        self._waiter = waiter
        self._metrics = metrics
        self._admission = Admission(settings.max_waiting, settings.max_active)

    def submit(self, ask: Ask) -> Outcome:
        """Write the job and wait for its end as long as was asked.

        Raises:
            UnknownModel, InvalidRequest, IdempotencyMismatch: the request can't be served.
            QueueFull, QuotaExceeded, Unavailable: it can't be served now; nothing was written.
        """
        new = self._new_job(ask)
        # Watched before it exists: the job may be done before the reply to `submit` is here.
        with self._wake_ups.watch(new.id) as changed:
            job_id, replayed = self._writer.submit(new, self._admission)
            self._metrics.submitted(new.task, replayed)
            if not replayed and ask.wait_s <= 0:
                return Outcome(_as_accepted(new, self._monitor.store_time()), replayed)
            if not replayed:
                return Outcome(self._wait(changed, job_id, ask), replayed)
        with self._wake_ups.watch(job_id) as changed:
            return Outcome(self._wait(changed, job_id, ask), replayed)

    def _wait(self, changed: Event, job_id: str, ask: Ask) -> Job:
        return self._waiter.job(changed, job_id, ask.tenant, lambda job: job.finished, ask.wait_s)

    def _new_job(self, ask: Ask) -> NewJob:
        if self._monitor.store_is_full:
            raise Unavailable("The job store is nearly full. Nothing was accepted; try again later.")
        settings, submission = self._settings, ask.submission
        card = self.model_for(ask.task, submission.model)
        _check_against(card, submission)
        request = _request(submission)
        key, fingerprint = _idempotency(ask, card.name, request)
        return NewJob(
            id=new_job_id(),
            tenant=ask.tenant,
            task=ask.task,
            model=card.name,
            request=request,
            metadata=msgspec.json.encode(submission.metadata),
            num_inputs=num_inputs(submission.inputs),
            deadline_s=submission.deadline_s or settings.deadline_s,
            timeout_s=submission.timeout_s or settings.timeout_s,
            ttl_s=submission.ttl_s or settings.ttl_s,
            idempotency_key=key,
            fingerprint=fingerprint,
        )

    def model_for(self, task: str, name: str | None) -> ModelCard:
        """Return the model that a request means.

        Raises:
            UnknownModel: no model of this name for this task.
            Unavailable: the request names none, and there is none for the task yet.
        """
        name = name or self._settings.default_models.get(task)
        # A worker may have announced it since the last look: whoever saw the announcement may count on it.
        card = self._known(task, name) or (self._monitor.look_for_models() and self._known(task, name))
        if card:
            return card
        if name is not None:
            raise UnknownModel(f"No model {name[:128]!r} for the task {task}. See /v1/models.", param="model")
        raise Unavailable(f"No worker has announced a model for the task {task} yet. Nothing was accepted.")

    def _known(self, task: str, name: str | None) -> ModelCard | None:
        models = self._monitor.models
        if name is None:
            return next((card for card in models.values() if card.task == task), None)
        card = models.get(name)
        return card if card and card.task == task else None


def _request(submission: Submission) -> bytes:
    """Return what crosses the queue. Workers of tasks that can't stream know no such field."""
    document = {"inputs": submission.inputs, "parameters": submission.parameters}
    if getattr(submission, "stream", False):
        document["stream"] = True
    return msgspec.json.encode(document)


def _as_accepted(new: NewJob, now: float) -> Job:
    """Return the record of a job as ``submit`` has just written it, without a round trip for what is known.

    Only the time is an estimate, good to milliseconds: the record has the store's own.
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
    )


def _check_against(card: ModelCard, submission: Submission) -> None:
    dimensions = getattr(submission.parameters, "dimensions", None)
    if dimensions is not None and card.dimensions is not None and dimensions > card.dimensions:
        raise InvalidRequest(f"{card.name} has {card.dimensions} dimensions.", param="parameters.dimensions")
    max_new_tokens = getattr(submission.parameters, "max_new_tokens", None)
    if max_new_tokens is not None and max_new_tokens > card.max_tokens:
        message = f"{card.name} has room for {card.max_tokens} tokens, those of the prompt included."
        raise InvalidRequest(message, param="parameters.max_new_tokens")
    if not card.chat:
        _refuse_conversations(card, submission.inputs, "inputs")


def _refuse_conversations(card: ModelCard, inputs: object, path: str) -> None:
    if isinstance(inputs, Conversation):
        raise InvalidRequest(
            f"{card.name} has no template for conversations. Send the whole prompt as one text, or name a model that "
            "has `chat` in /v1/models.",
            param=path,
        )
    for index, item in enumerate(inputs if isinstance(inputs, list) else []):
        _refuse_conversations(card, item, f"{path}[{index}]")


def _idempotency(ask: Ask, model: str, request: bytes) -> tuple[str, str]:
    """Return the hash of the request's idempotency key and of all that makes it this request; '' without a key."""
    key = ask.idempotency_key
    if key is None:
        return "", ""
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("Expected 1 to 255 printable ASCII characters.", param="Idempotency-Key")
    submission = ask.submission
    rest = [submission.deadline_s, submission.timeout_s, submission.ttl_s, submission.metadata]
    document = msgspec.json.encode([ask.route, ask.task, model, rest], order="sorted") + request
    return hashlib.sha256(key.encode()).hexdigest(), hashlib.sha256(document).hexdigest()
