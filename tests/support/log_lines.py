"""Reads the JSON lines that gateways and workers log."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

Line = dict[str, Any]


def log_lines(path: Path, **fields: Any) -> list[Line]:
    """Return the lines of a log that have these fields. What a process prints besides is left out."""
    texts = path.read_text(errors="replace").split("\n")[:-1]  # the last one may be half written
    lines = [json.loads(text) for text in texts if text.startswith("{") and text.endswith("}")]
    return [line for line in lines if fields.items() <= line.items()]


def wait_for_line(path: Path, **fields: Any) -> Line:
    """Wait until there is a line with these fields, and return the first."""
    return wait_until(lambda: log_lines(path, **fields), f"no line with {fields}")[0]


def job_ends(*paths: Path) -> Callable[[str], list[Line]]:
    """Return a function that finds the lines about the end of a job in several logs."""
    return lambda job_id: [line for path in paths for line in log_lines(path, message="job ended", job_id=job_id)]
