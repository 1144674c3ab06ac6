"""Times of a model: corrected slowly, within bounds, and with what a job costs outside of model calls."""

import pytest

from contracts.price.profile import ModelProfile
from workers.runtime.price.counts import AttemptCounts
from workers.runtime.price.rates import ALONE, MOST, REQUEST_S, TAKING_S, Rates
from workers.runtime.price.windows import Totals

MEASURED = ModelProfile(row_s=0.001, token_in_s=0.0001, token_out_s=0.01, step_s=0.02)


def window(read: float = 1.0, write: float = 1.0) -> Totals:
    """Return a second of calls that took so many times as long as measured."""
    return Totals(num_jobs=100, num_rows=250, tokens_in=2500, tokens_out=50, read_s=0.5 * read, write_s=0.5 * write)


def corrected(rates: Rates, done: Totals, times: int) -> ModelProfile:
    for _ in range(times):
        rates.see_window(done, None)
    return rates.applied_to(MEASURED)


def test_calls_that_take_as_long_as_measured_change_nothing() -> None:
    after = corrected(Rates(MEASURED), window(), 100)
    assert (after.row_s, after.token_out_s) == pytest.approx((0.001, 0.01))


def test_a_correction_takes_its_time_and_keeps_reading_and_writing_apart() -> None:
    rates = Rates(MEASURED)
    once = corrected(rates, window(write=1.5), 1)
    assert 0.01 < once.token_out_s < 0.0101
    after = corrected(rates, window(write=1.5), 600)
    assert after.token_out_s == pytest.approx(0.015, rel=0.05) and after.step_s == pytest.approx(0.03, rel=0.05)
    assert after.row_s == pytest.approx(0.001)


def test_times_that_are_too_long_get_shorter_though_the_worker_is_never_full_again() -> None:
    """The machine had other things to do while the worker was full."""
    rates = Rates(MEASURED)
    noisy = corrected(rates, window(read=3.0, write=3.0), 300)
    assert noisy.row_s > 2.5 * MEASURED.row_s and noisy.token_out_s > 2.5 * MEASURED.token_out_s
    for _ in range(1500):
        rates.see_window(window(), None, is_full=False)
    after = rates.applied_to(MEASURED)
    assert (after.row_s, after.token_out_s) == pytest.approx((ALONE * 0.001, ALONE * 0.01), rel=0.1)


def test_calls_of_a_worker_that_is_not_full_make_nothing_dearer_and_are_a_little_cheaper() -> None:
    rates = Rates(MEASURED)
    for taken in (10.0, 1.0, 0.85):
        for _ in range(300):
            rates.see_window(window(taken, taken), 0.5, is_full=False)
    assert rates.applied_to(MEASURED).row_s == MEASURED.row_s


def test_one_call_that_stood_still_hardly_counts() -> None:
    after = corrected(Rates(MEASURED), window(read=10), 1)
    assert after.row_s < 1.1 * MEASURED.row_s


def test_times_stay_near_what_was_measured() -> None:
    after = corrected(Rates(MEASURED), window(read=1000), 100)
    assert after.row_s == MOST * MEASURED.row_s
    after = corrected(Rates(MEASURED), Totals(num_rows=10**6, read_s=60.0), 1000)
    assert after.row_s == MEASURED.row_s / MOST


def test_the_times_of_other_workers_are_the_first_ones() -> None:
    kept = ModelProfile(request_s=0.5, row_s=0.002, token_in_s=0.0002, token_out_s=0.02, step_s=0.04)
    assert Rates(MEASURED, kept).applied_to(MEASURED) == kept


def test_tokens_do_not_get_dearer_each_time_that_a_worker_starts() -> None:
    kept, found = None, []
    for _ in range(4):
        rates = Rates(MEASURED, kept)
        for _ in range(20):
            rates.see_job(AttemptCounts(1, 20, cpu_s=0.0002 + 20 * 0.00001))
            rates.see_job(AttemptCounts(10, 1000, cpu_s=0.0002 + 1000 * 0.00001))
        kept = rates.applied_to(MEASURED)
        found.append(kept.token_in_s)
    assert found == pytest.approx([MEASURED.token_in_s + 0.00001] * 4)


def test_a_request_costs_what_its_job_took_outside_of_calls() -> None:
    rates = Rates(MEASURED)
    assert rates.applied_to(MEASURED).request_s == pytest.approx(REQUEST_S + TAKING_S)
    for _ in range(50):
        rates.see_job(AttemptCounts(1, 10, cpu_s=0.002))
        rates.see_job(AttemptCounts(1, 1010, cpu_s=0.012))
        rates.see_window(window(), 0.0005)
    after = rates.applied_to(MEASURED)
    assert after.token_in_s == pytest.approx(MEASURED.token_in_s + 0.00001)
    assert after.request_s == pytest.approx(0.0005 + 0.0019, rel=0.01)


def test_a_request_is_not_dear_because_few_long_jobs_have_ended() -> None:
    rates = Rates(MEASURED)
    for _ in range(50):
        rates.see_job(AttemptCounts(1, 10, cpu_s=0.0002))
        rates.see_window(window(), 0.05)
    assert rates.applied_to(MEASURED).request_s <= 0.0002 + MOST * TAKING_S


def test_jobs_of_many_rows_do_not_make_single_ones_dearer() -> None:
    rates = Rates(MEASURED)
    for _ in range(50):
        rates.see_job(AttemptCounts(1, 10, cpu_s=0.0002))
        rates.see_job(AttemptCounts(32, 250, cpu_s=0.01))
    assert rates.applied_to(MEASURED).request_s < 2 * (0.0002 + TAKING_S)
