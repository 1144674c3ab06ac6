"""The one line that a job's end leaves in the log, written by the process whose call of a script has ended the job.

And the one line about a record that can't be used.
"""

import logging
from typing import Any

import msgspec

from contracts import errors
from contracts.logs.lines import log_line

logger = logging.getLogger(__name__)
_TEXTS = ("job_id", "status", "task", "model", "tenant", "request_id", "worker", "error_code", "timings")
"""What `report_ends` of the scripts (lua/common/flush.lua) replies with first; after it come four numbers."""


class _Timings(msgspec.Struct):
    infer_ms: float | None = None


_read_timings = msgspec.json.Decoder(_Timings).decode


def log_end(reply: list[Any]) -> None:
    """Log how a job ended: what ``report_ends`` of the scripts has replied.

    Times are milliseconds by the store's clock. ``queue_ms`` is the last wait in a queue, ``total_ms`` the time from
    the submit to the end. ``infer_ms`` is the time in model calls; it is known of succeeded jobs only.
    """
    *texts, attempt, crashes, queue_us, total_us = reply
    found = {name: value or None for name, value in zip(_TEXTS, texts, strict=True)}
    timings = found.pop("timings")
    times = {
        "queue_ms": round(queue_us / 1000, 1),
        "infer_ms": _infer_ms(timings),
        "total_ms": round(total_us / 1000, 1),
    }
    level = _level(found["status"], found["error_code"])
    log_line(logger, level, "job ended", {**found, "attempt": attempt, "crashes": crashes, **times})


def _level(status: str | None, error_code: str | None) -> int:
    """Return INFO for what clients decide, WARNING for what came too late, and ERROR for a fault on our side."""
    if status == "failed":
        kind = errors.by_code(error_code or "")
        if issubclass(kind, errors.InvalidRequest):
            return logging.INFO
        return logging.WARNING if kind.http_status == errors.ExecutionTimeout.http_status else logging.ERROR
    return logging.WARNING if status == "expired" else logging.INFO


def _infer_ms(timings: str | None) -> float | None:
    try:
        return _read_timings(timings or "{}").infer_ms
    except msgspec.DecodeError:
        return None  # whatever wrote this, the job has ended all the same


def log_set_aside(job_id: bytes, fault: bytes) -> None:
    """Log that a job's record can't be used: all scripts pass it over from now on, and it stays for an operator."""
    logger.error(
        "a job's record is broken and was set aside",
        extra={"job_id": job_id.decode(errors="backslashreplace"), "fault": fault.decode()},
    )
