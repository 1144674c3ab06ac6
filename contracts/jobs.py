"""A job: its states, its record as read from the store, its events, and the names of its queues."""

from typing import Literal, get_args

import msgspec

Status = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "expired"]
STATUSES: tuple[Status, ...] = get_args(Status)
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})

Lane = Literal["interactive", "default", "bulk"]
LANES: tuple[Lane, ...] = get_args(Lane)
"""Jobs of a model wait in lanes, which share its workers by weights. Most urgent first."""
LANE_WEIGHTS: dict[Lane, int] = {"interactive": 8, "default": 4, "bulk": 1}
Flow = tuple[str, str]
"""Lane and tenant. Flows share a queue, and what a worker has, by the weights of both."""
OPEN_TENANT = "default"
"""The one tenant of a gateway that needs no API keys."""

RUN_TASK = "triptych.run"
"""Name of the one Celery task. Its messages have no arguments: they say that their queue has work."""
QUEUE_PREFIX = "triptych."
SUSPECT_SUFFIX = ".suspect"
NEWCOMER_SUFFIX = ":new"
"""Of the list of a queue's messages for workers that have room for newcomers only: flows of which they hold nothing. No
name of a model has a colon, so this is no other model's queue."""


def queue_of(model: str, *, suspect: bool = False) -> str:
    """Return the name of a model's Celery queue, or of its queue for suspects: jobs that ran when a worker died."""
    return f"{QUEUE_PREFIX}{model}{SUSPECT_SUFFIX if suspect else ''}"


def newcomers_of(queue: str) -> str:
    """Return the name of the list of a queue's messages for workers that have room for newcomers only."""
    return f"{queue}{NEWCOMER_SUFFIX}"


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A validated request on its way into the store. ``request`` is the JSON of its inputs and parameters."""

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
    keep: bool = False
    """Whether the answer is kept for ``ttl_s`` even if a client has it: somebody has asked for that time."""
    wake: str = ""
    """Channel of the gateway that waits for the job, perhaps of ``keys.of_end_only``; empty if none does."""
    followed: bool = False
    """Whether the job has a stream of events from the beginning."""
    idempotency_key: str = ""
    fingerprint: str = ""
    lane: Lane = "default"
    price_s: float = 0.0
    """Work-seconds that the job will probably take; 0 if nothing is known of its model."""
    least_s: float = 0.0
    """Seconds that it takes even if nothing else runs, since tokens of a text come one after another; 0 if unknown."""
    weight: float = 1.0
    """Of the tenant, when tenants share a model."""
    key_id: str = ""
    """Of the API key of the request; empty if it had none."""
    request_id: str = ""
    """Of the HTTP request, for logs. It is no part of the fingerprint: a client's retries have ids of their own."""


# omit_defaults: figures that a family of workers does not have are left out of its answers.
class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job consumed."""

    items: int
    """Inputs."""
    tokens_in: int
    """Tokens of the inputs before truncation."""
    tokens_used: int
    """Tokens that the model read, after truncation."""
    truncated_items: int
    """Inputs that were truncated."""
    tokens_out: int = 0
    """Generated tokens."""
    chunks: int = 0
    """Encoder-decoders: the number of chunks that all inputs were split into."""


class Timings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one attempt spent its time, in milliseconds."""

    tokenize_ms: float = 0.0
    batch_wait_ms: float = 0.0
    """Waiting for a place in a batch."""
    infer_ms: float = 0.0
    """Model calls with rows of this job, whole calls even if other jobs shared them."""
    post_ms: float = 0.0
    """From the last model call to the encoded answer."""
    first_token_ms: float = 0.0
    """Generators: from the start of the attempt to its first token."""


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed; ``code`` is one of ``contracts.errors``."""

    code: str
    message: str
    param: str | None = None
    retryable: bool = False


class JobState(msgspec.Struct, frozen=True):
    """What changes of a job while somebody waits for it; cheap to read, however large the record is."""

    status: Status
    version: int
    """Counts the changes of the record, and so makes its ETag."""

    @property
    def finished(self) -> bool:
        """Whether the job has reached its one terminal state."""
        return self.status in TERMINAL


# Not frozen: `error` is assembled from three fields of the hash after decoding.
class Job(msgspec.Struct, kw_only=True):
    """A job's record as the store holds it. Times are seconds since the epoch by Redis's clock.

    ``output`` is None for a job that has none, and in pages of jobs.
    """

    id: str
    tenant: str
    task: str
    model: str
    status: Status
    created_at: float
    deadline_at: float
    version: int = 1
    attempt: int = 0
    """Attempts so far."""
    crashes: int = 0
    """Deaths of workers that this job is blamed for."""
    started_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    keep: bool = False
    """Whether somebody has asked for the time until ``expires_at``, so that it does not shorten once a client has the
    answer."""
    progress_done: int = 0
    progress_total: int = 1
    lane: Lane = "default"
    price_s: float | None = None
    """Work-seconds that the job was estimated to take. Jobs of older versions have no estimate."""
    least_s: float = 0.0
    """As in ``NewJob``."""
    work_s: float | None = None
    """Work-seconds that it took, once it has ended."""
    model_revision: str | None = None
    worker: str | None = None
    request_id: str | None = None
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
    """One attempt at a job, owned by one worker. ``attempt`` is the fencing token of all further calls."""

    id: str
    attempt: int
    task: str
    model: str
    request: bytes
    timeout_s: float
    group: str = ""
    """Of suspects that run together and with no other job, because one of them may have ended a worker; else empty."""
    request_id: str = ""
    """Of the request that submitted the job; empty for jobs of older gateways."""
    tenant: str = OPEN_TENANT
    lane: Lane = "default"
    price_s: float = 0.0
    weight: float = 1.0
    num_bytes: int = 0
    """Memory that the attempt takes, as the worker's `Room` estimates it."""

    @property
    def flow(self) -> Flow:
        """What the job belongs to where jobs share a worker."""
        return self.lane, self.tenant

    @property
    def share(self) -> float:
        """How much the flow gets in relation to others."""
        return LANE_WEIGHTS[self.lane] * self.weight

    @property
    def log_fields(self) -> dict[str, str | None]:
        """What a line of a log says of the job."""
        return {"job_id": self.id, "request_id": self.request_id or None}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an attempt. ``output``, ``usage`` and ``timings`` are JSON that responses contain unchanged."""

    output: bytes
    usage: bytes
    timings: bytes
    model_revision: str


class Event(msgspec.Struct, frozen=True):
    """One entry of a job's event stream. Ids increase, so a reader can resume after the last one that it has."""

    id: str
    name: str
    fields: dict[str, str]
