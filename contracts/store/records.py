"""Turns replies of the store into jobs and events. What can't be used harms nobody but itself.

Outputs are packed: numbers and texts take half of the store's memory, for 7 µs a KB in the worker and 3 in the gateway.
"""

import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import redis

from contracts import errors
from contracts.jobs import Event, Job, JobError, JobState

S = TypeVar("S", Job, JobState)
SMALL_FIELDS = (
    *("tenant", "task", "model", "status", "version", "attempt", "crashes", "created_at", "deadline_at", "started_at"),
    *("completed_at", "expires_at", "ttl_s", "keep", "progress_done", "progress_total", "model_revision", "worker"),
    *("lane", "price_s", "least_s", "work_s", "metadata", "request_id", "usage", "timings"),
    *("error_code", "error_message", "error_param"),
)
"""Of a record, what a job is made of, without its output. `request` is read by workers only, and may have megabytes."""
FIELDS = (*SMALL_FIELDS, "output")
_BYTES = frozenset({"metadata", "output", "usage", "timings"})
"""Fields that hold JSON. Responses contain them unchanged, so they are not decoded."""
_TIMES = ("created_at", "deadline_at", "started_at", "completed_at", "expires_at")
_MAX_TIME = 1e11
"""As in lua/common/records.lua. What shows a time as a date can't show a larger one, or NaN."""
_PACKED = b"x"
"""How zlib begins, and JSON never does."""
_MIN_PACKED, _MAX_PACKED = 512, 2**20
"""Bytes of an output. A smaller one saves less than 200; a larger one would hold up all others that a process has."""


def packed(output: bytes) -> bytes:
    """Return the JSON of an output as the store keeps it."""
    if not _MIN_PACKED <= len(output) <= _MAX_PACKED:
        return output
    return zlib.compress(output, 1)  # of higher levels, 6 takes three times as long for another 4 %


def _unpacked(output: bytes) -> bytes:
    if not output.startswith(_PACKED):
        return output
    try:
        return zlib.decompress(output)
    except zlib.error as error:
        raise errors.BrokenRecord from error


def is_of_wrong_type(error: Exception) -> bool:
    """Return whether the store refused a command because something else is stored in its key."""
    return str(error).startswith("WRONGTYPE")


def replies_of(pipeline: "redis.client.Pipeline", instead: Any) -> list[Any]:
    """Return the replies of a pipeline; ``instead`` for keys in which something else is stored than is asked for."""
    replies = pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception) and not is_of_wrong_type(reply):
            raise reply
    return [instead if isinstance(reply, Exception) else reply for reply in replies]


def converted(fields: dict[str, Any], kind: type[S]) -> S:
    """Return the values of a record in their types. Raises BrokenRecord."""
    try:
        texts = {
            name: value.decode() if isinstance(value, bytes) and name not in _BYTES else value
            for name, value in fields.items()
        }
        # Not strict, because Redis returns numbers as text.
        return msgspec.convert(texts, kind, strict=False)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise errors.BrokenRecord from error


def job_from(job_id: str, names: Sequence[str], values: list[bytes | None]) -> Job | None:
    """Return the job of these fields, or None if there is no record. Raises BrokenRecord."""
    fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    if not fields:  # HMGET returns nothing but None for a key that does not exist
        return None
    ttl_s = fields.pop("ttl_s", b"0")
    code, message, param = (fields.pop(name, b"") for name in ("error_code", "error_message", "error_param"))
    job = converted({"id": job_id, **fields}, Job)
    if job.completed_at is not None and job.expires_at is None:  # older versions recorded it
        job.expires_at = job.completed_at + number(ttl_s)
    _check_times(job)
    if job.output is not None:
        job.output = _unpacked(job.output)
    if job.status == "succeeded":
        job.progress_done = job.progress_total
    if code:
        kind = errors.by_code(_text(code))
        job.error = JobError(kind.code, _text(message) or kind.fixed_message, _text(param) or None, kind.retryable)
    return job


def _check_times(job: Job) -> None:
    for name in _TIMES:
        if not 0 <= (getattr(job, name) or 0) <= _MAX_TIME:  # false for NaN, too
            raise errors.BrokenRecord


def number(value: bytes) -> float:
    """Return a number of a record. Raises BrokenRecord."""
    try:
        return float(value)
    except ValueError as error:
        raise errors.BrokenRecord from error


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def event_from(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    """Return the event of an entry of a stream, which has at least the field ``event``."""
    text = {_text(name): _text(value) for name, value in fields.items()}
    return Event(entry_id.decode(), text.pop("event"), text)
