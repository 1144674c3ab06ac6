"""A log record is one line, of JSON or for people, whatever text of a client it quotes."""

import io
import json
import logging
import os
import re
from typing import Any

import pytest

from contracts.logs.formats import MAX_TEXT, JsonLines, TextLines
from contracts.logs.settings import LogSettings

EVIL = 'a\r\nINFO forged\x1b[31mred\x00\x07\u2028\u2029\x85"}{\ud800é'


def record_of(
    message: str, *args: Any, exc_info: Any = None, name: str = "tests.logs", **extra: Any
) -> logging.LogRecord:
    """Return a warning."""
    return logging.getLogger(name).makeRecord(name, logging.WARNING, "file.py", 1, message, args, exc_info, extra=extra)


def line_of(message: str = "hello", *args: Any, exc_info: Any = None, **extra: Any) -> str:
    """Format one record as JSON."""
    return JsonLines("gateway").format(record_of(message, *args, exc_info=exc_info, **extra))


def text_of(message: str = "hello", *args: Any, exc_info: Any = None, **extra: Any) -> str:
    """Format one record for people, without the time that it begins with."""
    record = record_of(message, *args, exc_info=exc_info, name="workers.tests", **extra)
    clock, _, rest = TextLines().format(record).partition(" ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d", clock)
    return rest


def parsed(line: str) -> dict[str, Any]:
    """Return a line that must be strict JSON, plain ASCII and without a control character."""
    assert line.isascii() and line.isprintable() and len(line.splitlines()) == 1

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(line, parse_constant=refuse)


def test_a_record_has_its_fields() -> None:
    found = parsed(line_of("took %d ms", 12, job_id="abc", num_rows=3))
    assert found["message"] == "took 12 ms"
    assert (found["level"], found["process"], found["logger"]) == ("warning", "gateway", "tests.logs")
    assert (found["job_id"], found["num_rows"]) == ("abc", 3)
    assert found["time"].endswith("Z") and len(found["time"]) == len("2026-11-20T12:00:00.000Z")


def test_line_breaks_and_terminal_codes_in_every_string_stay_on_one_line() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    found = parsed(line_of("%s", EVIL, exc_info=info, job_id=EVIL, deep={EVIL: [EVIL]}, **{"na\r\nme": EVIL}))
    assert found["message"] == found["job_id"] == found["na\r\nme"] == EVIL
    assert "ValueError" in found["traceback"]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {(1, 2): 3}, {"a": float("nan")}, object(), b"\xff", {1, 2}],
    ids=["nan", "inf", "tuple as key", "nan inside", "object", "bytes", "set"],
)
def test_values_that_json_can_not_hold_become_texts(value: Any) -> None:
    assert "value" in parsed(line_of(value=value))


def test_a_value_that_contains_itself_becomes_a_text() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert "..." in parsed(line_of(value=circle))["value"]


def test_an_extra_field_does_not_replace_one_of_ours() -> None:
    assert parsed(line_of(level="debug", time="never"))["level"] == "warning"


def test_long_messages_are_truncated() -> None:
    assert len(parsed(line_of("x" * 10 * MAX_TEXT))["message"]) == MAX_TEXT


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "warning job ended"),
        (
            {"job_id": "abc", "queue_ms": 1.5, "tenant": "acme inc", "infer_ms": None, "flood_key": ("a",)},
            'warning job ended job_id=abc queue_ms=1.5 tenant="acme inc"',
        ),
        (
            {"why": 'say "no"', "sum": "a=b", "none": "", "models": ["a", "b"]},
            r'warning job ended why="say \"no\"" sum="a=b" none="" models=a,b',
        ),
        ({"city": "Köln", "bad": "a\nb\x1b[31m"}, r"warning job ended city=Köln bad=a\nb\x1b[31m"),
    ],
    ids=["no field", "fields", "quotes", "control characters"],
)
def test_lines_for_people(fields: dict[str, Any], expected: str) -> None:
    assert text_of("job ended", **fields) == expected


def test_lines_for_people_name_the_library_that_wrote_them() -> None:
    line = TextLines().format(record_of("slow", name="celery.worker"))
    assert line.endswith(" warning celery.worker: slow")


def test_a_traceback_for_people_is_indented_and_has_no_code_of_a_terminal() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    first, *rest = text_of("%s", EVIL, exc_info=info).split("\n")
    assert first.isprintable()
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


@pytest.mark.parametrize(
    ("text", "level", "format"),
    [
        ("", "info", None),
        ("debug", "debug", None),
        ("Text", "info", "text"),
        ("error, text", "error", "text"),
        ("json,warning", "warning", "json"),
    ],
)
def test_the_setting_of_logs(text: str, level: str, format: str | None) -> None:
    """Without a format, lines are for people on a terminal only."""
    settings = LogSettings.read({"TRIPTYCH_LOG": text})
    parent, child = os.openpty()
    with os.fdopen(parent, "rb"), os.fdopen(child, "w") as terminal:
        found = (settings.level, settings.format_on(terminal), settings.format_on(io.StringIO()))
    assert found == (level, format or "text", format or "json")
