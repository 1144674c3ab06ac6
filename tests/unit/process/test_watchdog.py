"""When a worker must exit: a model call does not return, or it takes no messages although it is idle."""

import pytest

from workers.runtime.process.watchdog import Watchdog


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog(hard_limit_s=600, stall_s=30)


@pytest.mark.parametrize(
    ("busy_since", "num_running", "num_messages", "ends"),
    [
        (None, 0, 0, False),
        (1000.0, 3, 9, False),  # busy for 600 s: at the limit, not beyond
        (999.0, 3, 9, True),
        (999.0, 0, 0, True),
        (None, 1, 0, False),
        (None, 1, 50, False),
    ],
)
def test_a_model_call_above_the_hard_limit_ends_the_worker(
    watchdog: Watchdog, busy_since: float | None, num_running: int, num_messages: int, ends: bool
) -> None:
    reason = watchdog.reason_to_exit(
        busy_since=busy_since, without_progress_s=0, num_running=num_running, num_messages=num_messages, now=1600.0
    )
    assert (reason is not None) == ends
    assert not ends or "a model call has run for more than 600 s" in str(reason)


def checks(watchdog: Watchdog, *seen: tuple[float, int, int]) -> list[bool]:
    """Check (time, running, messages) one after the other; return which checks end the worker."""
    return [
        watchdog.reason_to_exit(
            busy_since=None, without_progress_s=0, num_running=running, num_messages=messages, now=now
        )
        is not None
        for now, running, messages in seen
    ]


def test_messages_that_an_idle_worker_does_not_take_end_it_after_the_stall(watchdog: Watchdog) -> None:
    assert checks(watchdog, (0, 0, 1), (5, 0, 1), (30, 0, 1), (31, 0, 1)) == [False, False, False, True]


@pytest.mark.parametrize("relief", [(20, 1, 1), (20, 0, 0)])
def test_a_running_job_or_an_empty_queue_resets_the_stall(watchdog: Watchdog, relief: tuple[float, int, int]) -> None:
    assert checks(watchdog, (0, 0, 1), relief, (31, 0, 1), (60, 0, 1), (62, 0, 1)) == [*[False] * 4, True]


def test_a_clock_may_start_at_zero(watchdog: Watchdog) -> None:
    assert checks(watchdog, (0.0, 0, 1), (0.0, 0, 1), (30.5, 0, 1))[-1]


@pytest.mark.parametrize(("without_progress_s", "ends"), [(600, False), (601, True)])
def test_python_that_stands_still_ends_the_worker(watchdog: Watchdog, without_progress_s: float, ends: bool) -> None:
    reason = watchdog.reason_to_exit(
        busy_since=None, without_progress_s=without_progress_s, num_running=1, num_messages=0, now=0
    )
    assert (reason is not None) == ends
