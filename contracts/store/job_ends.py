"""The one line that a job's end leaves in the log, written by the process whose call of a script has ended the job."""

import logging
from typing import Any

import msgspec

from contracts import errors
from contracts.logs.lines import log_line

logger = logging.getLogger(__name__)
# In the order of `report_end` in lua/common.lua.
_FIELDS = (
    *("job_id", "status", "task", "model", "tenant", "request_id", "attempt", "crashes", "worker", "error_code"),
    *("timings", "created_at", "queued_at", "started_at", "completed_at"),
)


class _Timings(msgspec.Struct):
    infer_ms: float | None = None


_read_timings = msgspec.json.Decoder(_Timings).decode


def log_end(reply: list[bytes | None]) -> None:
    """Log how a job ended: what ``report_end`` of the scripts has replied.

    Times are milliseconds by the store's clock. ``queue_ms`` is the last wait in a queue, ``total_ms`` the time from
    the submit to the end. ``infer_ms`` is the time in model calls; it is known of succeeded jobs only.
    """
    found = {name: value.decode() for name, value in zip(_FIELDS, reply, strict=True) if value}
    level = _level(found["status"], found.get("error_code", ""))
    log_line(logger, level, "job ended", {**_times(found), **_counts(found), **found})


def _level(status: str, error_code: str) -> int:
    """Return INFO for what clients decide, WARNING for what came too late, and ERROR for a fault on our side."""
    if status == "failed":
        kind = errors.by_code(error_code)
        if issubclass(kind, errors.InvalidRequest):
            return logging.INFO
        return logging.WARNING if kind.http_status == errors.ExecutionTimeout.http_status else logging.ERROR
    return logging.WARNING if status == "expired" else logging.INFO


def _times(found: dict[str, str]) -> dict[str, float | None]:
    """Take the times out of the fields and return those of the line."""
    created_at, queued_at, completed_at = (
        float(found.pop(name)) for name in ("created_at", "queued_at", "completed_at")
    )
    started_at = float(found.pop("started_at", "0"))
    # A job that went back to its queue was started before it was queued, and may have ended there.
    claimed_at = started_at if started_at >= queued_at else completed_at
    timings = _read_timings(found.pop("timings", "{}"))
    return {
        "queue_ms": round((claimed_at - queued_at) * 1000, 1),
        "infer_ms": timings.infer_ms,
        "total_ms": round((completed_at - created_at) * 1000, 1),
    }


def _counts(found: dict[str, str]) -> dict[str, Any]:
    return {name: int(found.pop(name)) for name in ("attempt", "crashes")}
