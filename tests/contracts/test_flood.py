"""Lines of one kind are limited, and those that are left out are counted."""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.logs import flood
from contracts.logs.flood import MAX_ALIKE, LimitedHandler
from contracts.logs.formats import JsonLines
from contracts.logs.lines import log_line
from tests.support.waiting import wait_until


class Log:
    """A logger whose lines go to memory."""

    def __init__(self, name: str) -> None:
        self._stream = io.StringIO()
        self.handler = LimitedHandler(self._stream)
        self.handler.setFormatter(JsonLines("tests"))
        self.logger = logging.getLogger(name)
        self.logger.propagate = False
        self.logger.setLevel(logging.INFO)
        self.logger.handlers = [self.handler]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines()]

    def num_told(self) -> int:
        """Return how many lines were written or are part of a sum."""
        return sum(line.get("num_more", 1) for line in self.lines())


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """A logger of its own; its periods do not end within a test, unless the test shortens them."""
    log = Log(f"tests.flood.{request.node.name}")
    yield log
    log.logger.handlers = []


@pytest.fixture(autouse=True)
def long_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "PERIOD_S", 1e6)


def test_the_first_lines_of_a_kind_are_written_and_the_rest_is_one_line(log: Log) -> None:
    for number in range(1000):
        log.logger.warning("job %s is lost", number)
    assert log.messages() == [f"job {number} is lost" for number in range(MAX_ALIKE)]
    log.handler.close()
    *_, last = log.lines()
    assert (last["level"], last["num_more"]) == ("warning", 1000 - MAX_ALIKE)
    assert last["message"].startswith(f"{1000 - MAX_ALIKE} more like this in ")
    assert len(log.lines()) == MAX_ALIKE + 1


def test_the_sum_is_written_though_no_other_line_comes(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "PERIOD_S", 0.5)
    for round_ in range(1, 4):
        for _ in range(10 * MAX_ALIKE):
            log.logger.warning("again")
        # A period may end between two lines. What comes after it may be too few for another sum.
        wait_until(lambda round_=round_: log.num_told() == round_ * 10 * MAX_ALIKE, "no sum")  # type: ignore[misc]
    assert any("more like this" in message for message in log.messages())


def test_kinds_do_not_hide_each_other(log: Log) -> None:
    for _ in range(100):
        log.logger.warning("one")
    log.logger.warning("two")
    log.logger.error("one")
    try:
        raise ValueError
    except ValueError:
        log.logger.exception("one")
    assert len(log.lines()) == MAX_ALIKE + 3


def test_what_is_information_and_what_counts_always_is_not_limited(log: Log) -> None:
    for _ in range(100):
        log.logger.info("ready")
        log_line(log.logger, logging.ERROR, "job ended", {})
    assert len(log.lines()) == 200


def test_information_that_is_marked_is_limited_by_its_fields(log: Log) -> None:
    for number in range(100):
        log_line(log.logger, logging.INFO, "request", {"status": 401, "path": number}, alike={"status": 401})
        log_line(log.logger, logging.INFO, "request", {"status": 404}, alike={"status": 404})
    assert len(log.lines()) == 2 * MAX_ALIKE
    log.handler.close()
    sums = log.lines()[2 * MAX_ALIKE :]
    assert [(line["status"], line["num_more"]) for line in sums] == [(401, 90), (404, 90)]
    assert "path" not in sums[0], "it is of one line only"


def test_texts_that_differ_each_time_are_limited_too(log: Log) -> None:
    for number in range(10 * flood.MAX_KINDS):
        log.logger.warning(f"client {number}")
    assert len(log.lines()) <= flood.MAX_KINDS + MAX_ALIKE


def test_no_line_of_many_threads_is_lost(log: Log) -> None:
    def write() -> None:
        for _ in range(500):
            log.logger.warning("busy")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.handler.close()
    assert log.num_told() == 8 * 500


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_process_that_was_forked_in_a_flood_writes_its_own_sum(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn forks its workers after logs are set up, and no timer survives a fork."""
    monkeypatch.setattr(flood, "PERIOD_S", 1.0)
    for _ in range(2 * MAX_ALIKE):
        log.logger.warning("again")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for _ in range(2 * MAX_ALIKE):
                log.logger.warning("again")
            # The parent's lines are in the memory of the child, and those that it left out in the child's sum.
            wait_until(lambda: log.num_told() == 2 * 2 * MAX_ALIKE, "no sum")
            os.write(writer, b"summed up")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == b"summed up"
    os.waitpid(child, 0)
