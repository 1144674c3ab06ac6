"""The speed of a worker: work a second while it was full, whatever its profile says."""

import pytest

from contracts.price.profile import ModelProfile
from workers.runtime.price.speed import Speed
from workers.runtime.price.windows import Fullness, Totals, Window, Windows

PRICES = {"a": ModelProfile(row_s=0.01), "b": ModelProfile(row_s=0.1)}


def full(length_s: float, **num_rows: int) -> Window:
    return Window(length_s, {name: Totals(num_rows=number) for name, number in num_rows.items()}, 0.0)


def test_a_worker_that_was_never_full_is_as_fast_as_expected() -> None:
    assert Speed().value(PRICES, 1.0) == 1.0
    assert Speed().value(PRICES, 40.0) == 40.0


def test_a_change_shows_within_ten_seconds() -> None:
    speed = Speed()
    for _ in range(60):
        speed.add(full(1.0, a=100))
    assert speed.value(PRICES, 1.0) == pytest.approx(1.0)
    for _ in range(10):
        speed.add(full(1.0, a=30))
    assert speed.value(PRICES, 1.0) == pytest.approx(0.3, abs=0.1)


def test_what_is_fast_for_some_seconds_is_not_believed() -> None:
    """Most jobs would be accepted in these seconds, and most of these jobs would be late."""
    speed, found = Speed(), []
    for second in range(120):
        speed.add(full(1.0, a=130 if second % 20 < 10 else 70))
        found.append(speed.value(PRICES, 1.0))
    assert max(found[60:]) < 1.1 and min(found[60:]) < 0.8


def test_the_work_on_all_models_counts() -> None:
    speed = Speed()
    for _ in range(20):
        speed.add(full(2.0, a=50, b=5, gone=1000))
    assert speed.value(PRICES, 1.0) == pytest.approx(0.5, abs=0.02)


def test_new_prices_hold_at_once() -> None:
    speed = Speed()
    for _ in range(30):
        speed.add(full(1.0, a=100))
    assert speed.value({"a": ModelProfile(row_s=0.02)}, 1.0) == pytest.approx(2.0, rel=0.05)


def test_a_window_needs_a_second_of_waiting_jobs_and_a_call_that_has_ended() -> None:
    windows = Windows(100.0)
    before = windows.look(110.0, False, {"a": Totals(num_rows=7)}, 0.5)
    assert before == Window(10.0, {"a": Totals(num_rows=7)}, 0.5, is_full=False)
    assert windows.look(110.5, True, {"a": Totals(num_rows=9)}, 0.6) is None, "too short"
    window = windows.look(111.0, True, {"a": Totals(num_rows=10)}, 0.7)
    assert window == Window(1.0, {"a": Totals(num_rows=3)}, pytest.approx(0.2))
    assert windows.look(113.0, True, {"a": Totals(num_rows=10)}, 0.7) is None, "a long call has not ended"
    assert windows.look(118.0, True, {"a": Totals(num_rows=11)}, 0.7) == Window(7.0, {"a": Totals(num_rows=1)}, 0.0)
    idle = windows.look(119.5, False, {"a": Totals(num_rows=20)}, 0.7)
    assert idle is not None and not idle.is_full, "nothing waited for a while"
    later = windows.look(121.0, True, {"a": Totals(num_rows=21), "new": Totals(num_rows=4)}, 0.7)
    assert later == Window(1.5, {"a": Totals(num_rows=1), "new": Totals(num_rows=4)}, 0.0)


def test_one_moment_without_jobs_is_enough_to_be_not_full() -> None:
    fullness = Fullness()
    assert not fullness.since_last()
    fullness.note(True)
    assert not fullness.since_last(), "not from the beginning"
    fullness.note(True)
    assert fullness.since_last() and fullness.since_last()
    fullness.note(False)
    fullness.note(True)
    assert not fullness.since_last()
    assert fullness.since_last()
