"""A job as clients see it: the record without its internal fields, as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from contracts.jobs import Job, JobError, JobState, Lane, Status, Timings, Usage

Time = Annotated[str, Meta(description="RFC 3339, UTC, by the store's clock.", examples=["2026-01-31T12:00:00.000Z"])]

EXPIRES_AT = (
    "When the finished job is purged. Unless its request had `ttl_s` or an `Idempotency-Key`, this comes nearer once "
    "you have received the output: the job is kept for some minutes more (5 by default), or less while the job store "
    "is nearly full."
)


class Progress(msgspec.Struct, frozen=True):
    """How many of the job's inputs are done, or of the chunks in which they are read."""

    done: int
    total: int


class QueuePlace(msgspec.Struct, frozen=True):
    """Where a job waits. All of this is estimated: others may come that are more urgent, or have a larger share."""

    position: Annotated[int, Meta(description="Jobs that will be started before it.")]
    work_ahead_s: Annotated[
        float | None,
        Meta(
            description="Work of these jobs in work-seconds: seconds of a worker that is full. Null if it is not "
            "known: while the model was not measured, or after a worker has died that ran the job."
        ),
    ]
    eta_s: Annotated[float | None, Meta(description="Seconds until the job is done; null if that is not known.")]


class Work(msgspec.Struct, frozen=True):
    """What the job takes in work-seconds: seconds of a worker that is full."""

    estimated_s: Annotated[float, Meta(description="As known when it was submitted.")]
    actual_s: Annotated[float | None, Meta(description="By the tokens that it has read and written, once it is done.")]


class Urls(msgspec.Struct, frozen=True):
    """Paths at which this job is read, followed and cancelled."""

    this: str = msgspec.field(name="self")
    events: str
    cancel: str


class JobSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A job without its output, as in lists of jobs."""

    id: str
    object: Literal["job"] = "job"
    task: str
    model: str
    model_revision: str | None
    status: Status
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    deadline_at: Time
    expires_at: Annotated[Time | None, Meta(description=EXPIRES_AT)]
    attempt: Annotated[int, Meta(description="How often the job was started; more than 1 after a worker died.")]
    progress: Progress
    priority: Lane
    queue: Annotated[
        QueuePlace | None,
        Meta(
            description="A queued job's place; null when it does not wait, and in lists. When a job will be done that "
            "runs is estimated by `Retry-After` alone."
        ),
    ]
    work: Annotated[Work | None, Meta(description="Null if the model had not been measured.")]
    error: JobError | None
    usage: Usage | None
    timings: Timings | None
    metadata: dict[str, str]
    request_id: Annotated[
        str | None, Meta(description="The `X-Request-Id` of the request that submitted the job, as it is in the logs.")
    ]
    urls: Urls


class JobView(JobSummary, frozen=True, kw_only=True):
    """A job. `output` has the shape of its task: one answer for one input, a list of answers for a list."""

    output: Any


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, newest first. With `next_cursor` there is another page, even if this one is short."""

    object: Literal["list"] = "list"
    data: list[JobSummary]
    next_cursor: str | None


def summary(job: Job) -> JobSummary:
    """Return a job as an entry of a list."""
    return JobSummary(**_fields(job, None))


def view(job: Job, place: QueuePlace | None) -> JobView:
    """Return the whole job, with its place if it waits."""
    return JobView(**_fields(job, place), output=_raw(job.output))


def etag(job: Job | JobState) -> str:
    """Return the ETag of the job's state. It is weak, because the place in the queue may change under the same tag."""
    return f'W/"{job.version}"'


def _fields(job: Job, place: QueuePlace | None) -> dict[str, Any]:
    url = f"/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "task": job.task,
        "model": job.model,
        "model_revision": job.model_revision or None,
        "status": job.status,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "completed_at": _time(job.completed_at),
        "deadline_at": _time(job.deadline_at),
        "expires_at": _time(job.expires_at),
        "attempt": job.attempt,
        "progress": Progress(job.progress_done, job.progress_total),
        "priority": job.lane,
        "queue": place,
        "work": Work(round(job.price_s, 6), job.work_s) if job.price_s else None,
        "error": job.error,
        "usage": _raw(job.usage),
        "timings": _raw(job.timings),
        "metadata": _raw(job.metadata),
        "request_id": job.request_id or None,
        "urls": Urls(url, f"{url}/events", f"{url}/cancel"),
    }


def _raw(text: bytes | None) -> Any:
    """Return JSON of the record such that it is copied into the response."""
    # Decoding and encoding a large output again would be most of the gateway's work (decision 5).
    return None if text is None else msgspec.Raw(text)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    # RFC 3339 with `Z`: not all parsers of clients take `+00:00`.
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
