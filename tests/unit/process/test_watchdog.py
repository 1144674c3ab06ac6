"""When a worker must exit: a model call does not return, or it takes no jobs although it has room."""

from typing import Any

import pytest

from workers.runtime.process.watchdog import Watchdog


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog(hard_limit_s=600, stall_s=30)


def reason(watchdog: Watchdog, now: float, **seen: Any) -> str | None:
    """Check once; what is not given says that all is well."""
    well = {"busy_since": None, "without_progress_s": 0.0, "last_turn": 0.0, "num_waiting": 0}
    return watchdog.reason_to_exit(**well | seen, now=now)


@pytest.mark.parametrize(("busy_since", "ends"), [(None, False), (1000.0, False), (999.0, True)])
@pytest.mark.parametrize("num_waiting", [0, 9])
def test_a_model_call_above_the_hard_limit_ends_the_worker(
    watchdog: Watchdog, busy_since: float | None, num_waiting: int, ends: bool
) -> None:
    found = reason(watchdog, 1600.0, busy_since=busy_since, num_waiting=num_waiting)
    assert (found is not None) == ends
    assert not ends or "a model call has run for more than 600 s" in str(found)


def checks(watchdog: Watchdog, *seen: tuple[float, float, int]) -> list[bool]:
    """Check (time, last turn, waiting jobs) one after the other; return which checks end the worker."""
    return [
        reason(watchdog, now, last_turn=last_turn, num_waiting=num_waiting) is not None
        for now, last_turn, num_waiting in seen
    ]


def test_jobs_that_a_worker_with_room_does_not_ask_for_end_it_after_the_stall(watchdog: Watchdog) -> None:
    seen = [(100, 99, 1), (105, 99, 1), (130, 99, 1), (131, 99, 1)]
    assert checks(watchdog, *seen) == [False, False, False, True]


@pytest.mark.parametrize("relief", [(120, 119, 1), (120, 99, 0)])
def test_a_turn_or_an_empty_queue_resets_the_stall(watchdog: Watchdog, relief: tuple[float, float, int]) -> None:
    """A worker that is full says so with turns, so that jobs may wait for as long as it likes."""
    _, last_turn, _ = relief
    seen = [(100, 99, 1), relief, (131, last_turn, 1), (150, last_turn, 1), (162, last_turn, 1)]
    assert checks(watchdog, *seen) == [*[False] * 4, True]


def test_the_first_job_after_a_long_rest_ends_no_worker(watchdog: Watchdog) -> None:
    assert checks(watchdog, (0, 0, 0), (5000, 0, 0), (9000, 0, 1), (9001, 9000.5, 1), (9040, 9030, 1)) == [False] * 5


def test_a_clock_may_start_at_zero(watchdog: Watchdog) -> None:
    assert checks(watchdog, (0.0, 0.0, 1), (0.0, 0.0, 1), (30.5, 0.0, 1))[-1]


@pytest.mark.parametrize(("without_progress_s", "ends"), [(600, False), (601, True)])
def test_python_that_stands_still_ends_the_worker(watchdog: Watchdog, without_progress_s: float, ends: bool) -> None:
    assert (reason(watchdog, 0, without_progress_s=without_progress_s) is not None) == ends
