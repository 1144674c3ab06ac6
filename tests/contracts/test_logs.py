"""A log record is one line of JSON, whatever text of a client it quotes."""

import json
import logging
from typing import Any

import pytest

from contracts.logs import MAX_TEXT, JsonLines

EVIL = 'a\r\nINFO forged\x1b[31mred\x00\x07\u2028\u2029\x85"}{\ud800é'


def line_of(message: str = "hello", *args: Any, exc_info: Any = None, **extra: Any) -> str:
    """Format one record."""
    logger = logging.getLogger("tests.logs")
    record = logger.makeRecord("tests.logs", logging.WARNING, "file.py", 1, message, args, exc_info, extra=extra)
    return JsonLines("gateway").format(record)


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
