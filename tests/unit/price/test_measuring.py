"""First times of a model: bounded calls, and a line through the times of short and of long rows."""

import time
from collections.abc import Callable, Iterator

import pytest

from contracts.price.profile import ModelProfile
from tests.unit.batching.fakes import FakeRow
from workers.runtime.batching.measuring import measure_rows
from workers.runtime.price.measuring import (
    BUDGET_S,
    LONGEST_TOKENS,
    MAX_CALLS,
    QUICK_S,
    Reading,
    affordable,
    least_of,
    length_of_longest,
    measured,
    read_times,
    with_pairs,
)


@pytest.mark.parametrize(
    ("short_s", "long_s", "row_s", "token_in_s"),
    [
        (0.018, 0.138, 0.010, 0.001),
        (0.008, 0.128, 0.0, 0.001),
        (0.001, 0.128, 0.0, 0.001),  # a line through both would give a negative time of rows
        (0.5, 0.4, 0.5, 0.0),  # noise: a long row does not take less than a short one
    ],
)
def test_no_time_is_negative(short_s: float, long_s: float, row_s: float, token_in_s: float) -> None:
    times = read_times(Reading(2, 8, 2 * short_s), Reading(1, 128, long_s))
    assert times == pytest.approx((row_s, token_in_s, 0.0))


def test_rows_of_one_length_have_no_time_of_tokens() -> None:
    assert read_times(Reading(1, 2, 0.5), Reading(1, 2, 0.5)) == (0.5, 0.0, 0.0)


def test_what_is_quick_is_repeated_and_what_is_slow_is_not() -> None:
    quick, slow = [0.3 * QUICK_S, 0.1 * QUICK_S, 0.2 * QUICK_S], [3 * QUICK_S, QUICK_S]
    assert least_of(iter(quick).__next__) == 0.1 * QUICK_S and len(quick) == MAX_CALLS
    assert least_of(iter(slow).__next__) == 3 * QUICK_S


def test_a_call_takes_no_longer_than_its_budget_unless_it_can_do_no_less() -> None:
    assert affordable(BUDGET_S / 10, 64) == 10
    assert affordable(BUDGET_S * 10, 64) == 1
    assert affordable(0.0, 64) == 64


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Stops the time; what is called with seconds lets it go on by them."""
    now = [100.0]

    def go_on(seconds: float) -> None:
        now[0] += seconds

    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: now[0])
        yield go_on


class TimedModel:
    """A model whose call takes a time for each row and each token."""

    name = "timed"
    max_batch_length = 256
    max_shared_length = 256
    max_padding = 1.05
    pair_cost = 0.0

    def __init__(self, go_on: Callable[[float], None], row_s: float, token_s: float, most_rows: int = 1000) -> None:
        self.go_on, self.row_s, self.token_s, self.most_rows = go_on, row_s, token_s, most_rows
        self.calls: list[tuple[int, int]] = []

    def fits(self, num_rows: int, longest: int) -> bool:
        return num_rows <= self.most_rows

    def run(self, rows: list[FakeRow]) -> list[None]:
        self.calls.append((len(rows), rows[0].length))
        self.go_on(sum(self.row_s + row.length * self.token_s for row in rows))
        return [None] * len(rows)


def test_rows_are_measured_in_full_batches_that_fit(clock: Callable[[float], None]) -> None:
    model = TimedModel(clock, 0.0005, 0.00001, most_rows=20)
    times = measure_rows(model, FakeRow, 1000)
    batches = [call for call in model.calls if call[1] <= 128]
    assert set(batches) == {(1, 8), (16, 8), (1, 128), (2, 128)}, "32 short rows would not fit, half of them do"
    assert times == pytest.approx((0.0005, 0.00001, 0.0), abs=1e-9)


def test_a_slow_model_is_measured_by_few_calls(clock: Callable[[float], None]) -> None:
    model = TimedModel(clock, 0.31, 0.0001)
    measure_rows(model, FakeRow, 1000)
    assert model.calls == [(1, 8), (1, 128)]


def test_a_model_that_cannot_be_measured_is_served_without_a_price(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> ModelProfile:
        raise RuntimeError("no such graph")

    assert not measured("odd", fail).is_known
    assert "no such graph" in caplog.text


def test_what_attention_takes_shows_in_rows_that_are_much_longer() -> None:
    def seconds(num_tokens: int) -> float:
        return 0.001 + 1e-5 * num_tokens + 1e-8 * num_tokens**2

    short, long, longest = (Reading(1, length, seconds(length)) for length in (8, 128, 2048))
    times = with_pairs(read_times(short, long), long, longest)
    assert times == pytest.approx((0.001, 1e-5, 1e-8), rel=0.05)


def test_a_long_row_takes_no_longer_than_its_budget_even_if_it_takes_the_square() -> None:
    assert length_of_longest(Reading(1, 128, BUDGET_S / 36), 4000) == pytest.approx(6 * 128, abs=1)
    assert length_of_longest(Reading(1, 128, BUDGET_S), 4000) == 0
    assert length_of_longest(Reading(1, 128, 0.0), 256) == 0
    assert length_of_longest(Reading(100, 128, 0.0), 4000) == LONGEST_TOKENS
