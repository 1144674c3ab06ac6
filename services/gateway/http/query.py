"""Reads query parameters as typed values. Errors name the parameter."""

import base64
import re

from flask import Request

from contracts.errors import InvalidRequest
from contracts.jobs import STATUSES, Status
from contracts.task_names import parse_task
from contracts.tasks import TASKS

# Bounded numbers of digits: no text can become an infinite or very slow number.
_CURSOR = re.compile(r"(\d{1,12}(?:\.\d{1,9})?):([A-Za-z0-9_-]{22})")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")


def wait_s(request: Request, most: float) -> float:
    """Return ``?wait=`` in seconds, at most ``most``; 0 by default."""
    text = request.args.get("wait", "0")
    if not _SECONDS.fullmatch(text):
        raise InvalidRequest("Expected a number of seconds.", param="wait")
    return min(float(text), most)


def limit(request: Request, *, default: int, most: int) -> int:
    """Return ``?limit=``, a number of jobs."""
    text = request.args.get("limit", str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
        raise InvalidRequest(f"Expected a whole number from 1 to {most}.", param="limit")
    return int(text)


def status(request: Request) -> Status | None:
    """Return ``?status=``, or None for jobs of every status."""
    text = request.args.get("status")
    for known in STATUSES:
        if text == known:
            return known
    if text is not None:
        raise InvalidRequest(f"Expected one of {', '.join(STATUSES)}.", param="status")
    return None


def task(request: Request) -> str | None:
    """Return the canonical name of ``?task=``, or None for jobs of every task."""
    text = request.args.get("task")
    try:
        return None if text is None else parse_task(text, among=TASKS)
    except ValueError as error:
        raise InvalidRequest(f"Expected one of {', '.join(TASKS)}.", param="task") from error


def cursor(request: Request) -> tuple[float, str] | None:
    """Return the position in a list, a time and a job id, that ``?cursor=`` encodes."""
    text = request.args.get("cursor")
    if text is None:
        return None
    try:
        match = _CURSOR.fullmatch(base64.urlsafe_b64decode(text.encode()).decode())
    except ValueError:
        match = None
    if match is None:
        raise InvalidRequest("Expected the next_cursor of an earlier page.", param="cursor")
    return float(match[1]), match[2]


def as_cursor(position: tuple[float, str] | None) -> str | None:
    """Return a position in a list as the text that ``cursor`` decodes."""
    # Encoded so that clients take it for opaque; repr keeps all digits of the time, which must match exactly.
    return None if position is None else base64.urlsafe_b64encode(f"{position[0]!r}:{position[1]}".encode()).decode()
