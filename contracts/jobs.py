"""The words of a job: its states, its record as read from the store, and the names of its queues."""

import re
import secrets
from typing import Literal

import msgspec

Status = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "expired"]
STATUSES: tuple[Status, ...] = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled", "expired")
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})

RUN_TASK = "triptych.run"
"""Name of the one Celery task; its one argument is a job id."""
JOB_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def new_job_id() -> str:
    """Return a random id of 128 bits: unguessable, and safe in a URL."""
    return secrets.token_urlsafe(16)


def queue_of(model: str, *, suspect: bool = False) -> str:
    """Return the Celery queue of a model, or its lane for jobs that were running when a worker died."""
    return f"triptych.{model}.suspect" if suspect else f"triptych.{model}"


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A checked request on its way into the store. ``request`` is the JSON of its inputs and parameters."""

    id: str
    tenant: str
    task: str
    model: str
    request: bytes
    metadata: bytes
    num_inputs: int
    deadline_s: float
    timeout_s: float
    ttl_s: float
    idempotency_key: str = ""
    fingerprint: str = ""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job weighed: tokens as they came in, those that the model read after truncation, and those it wrote.

    ``chunks``: of encoder-decoders, how many texts all inputs were read in.
    """

    items: int
    tokens_in: int
    tokens_used: int
    truncated_items: int
    tokens_out: int = 0
    chunks: int = 0


class Timings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one attempt spent its time, in milliseconds. ``infer_ms`` counts the model calls this job took part in.

    ``first_token_ms``: of a text generator, from the attempt's start to its first token.
    """

    tokenize_ms: float = 0.0
    batch_wait_ms: float = 0.0
    infer_ms: float = 0.0
    post_ms: float = 0.0
    first_token_ms: float = 0.0


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed; ``code`` is one of ``contracts.errors``."""

    code: str
    message: str
    param: str | None = None
    retryable: bool = False


class Job(msgspec.Struct, kw_only=True):
    """A job's record as the store holds it. Times are seconds since the epoch by Redis's clock."""

    id: str
    tenant: str
    task: str
    model: str
    status: Status
    version: int
    attempt: int
    crashes: int
    created_at: float
    deadline_at: float
    started_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    progress_done: int = 0
    progress_total: int = 1
    model_revision: str | None = None
    worker: str | None = None
    metadata: bytes = b"{}"
    output: bytes | None = None
    usage: bytes | None = None
    timings: bytes | None = None
    error: JobError | None = None

    @property
    def finished(self) -> bool:
        """Whether the job has reached its one terminal state."""
        return self.status in TERMINAL


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a job, owned by the worker that holds it. ``attempt`` is the fencing token."""

    id: str
    attempt: int
    task: str
    model: str
    request: bytes
    timeout_s: float
    suspect: bool


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt brings back. ``output``, ``usage`` and ``timings`` are JSON that responses carry as is."""

    output: bytes
    usage: bytes
    timings: bytes
    model_revision: str


class Event(msgspec.Struct, frozen=True):
    """One entry of a job's event stream; ``id`` grows, so a reader can resume after it."""

    id: str
    name: str
    fields: dict[str, str]
