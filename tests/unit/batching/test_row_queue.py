"""Step 5: which rows form a batch. Every row once, within the limits, nearest lengths first, jobs in turn."""

import time
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.batching.fakes import FakeRow, rows_of
from workers.runtime.batching.row_queue import RowQueue

lengths = st.integers(min_value=1, max_value=300)
jobs = st.lists(st.lists(lengths, min_size=0, max_size=20), max_size=12)


def queue_with(*rows: list[int], max_batch_length: int = 512, max_padding: float = 1.05) -> RowQueue[int]:
    queue: RowQueue[int] = RowQueue(max_batch_length=max_batch_length, max_padding=max_padding)
    for job, lengths in enumerate(rows):
        queue.add(job, rows_of(lengths))
    return queue


def all_batches(queue: RowQueue[int]) -> list[list[tuple[int, int]]]:
    batches = []
    while batch := queue.take():
        batches.append(batch)
    return batches


@given(jobs, st.integers(1, 600), st.floats(1.0, 2.0))
def test_every_row_comes_out_exactly_once_and_within_the_limits(
    rows: list[list[int]], max_batch_length: int, max_padding: float
) -> None:
    queue = queue_with(*rows, max_batch_length=max_batch_length, max_padding=max_padding)
    batches = all_batches(queue)

    taken = Counter(row for batch in batches for row in batch)
    assert taken == Counter((job, index) for job, lengths in enumerate(rows) for index in range(len(lengths)))
    assert len(queue) == 0
    for batch in batches:
        weights = [rows[job][index] for job, index in batch]
        padded = len(weights) * max(weights)
        assert len(batch) == 1 or (padded <= max_batch_length and padded <= max_padding * sum(weights))


@given(st.lists(st.one_of(st.lists(lengths, max_size=8), st.integers(0, 9), st.none()), max_size=40))
@settings(max_examples=200)
def test_no_sequence_of_adding_discarding_and_taking_loses_a_row(steps: list[list[int] | int | None]) -> None:
    queue = queue_with()
    waiting: set[tuple[int, int]] = set()
    for job, step in enumerate(steps):
        if isinstance(step, list):
            queue.add(job, rows_of(step))
            waiting |= {(job, index) for index in range(len(step))}
        elif isinstance(step, int):
            queue.discard(step)
            waiting = {row for row in waiting if row[0] != step}
        else:
            batch = queue.take()
            assert bool(batch) == bool(waiting)
            assert len(set(batch)) == len(batch) and set(batch) <= waiting
            waiting -= set(batch)
        assert len(queue) == len(waiting)
    assert {row for batch in all_batches(queue) for row in batch} == waiting


keyed_rows = st.lists(st.builds(FakeRow, lengths, st.sampled_from(["a", "b", (3, 4)])), max_size=12)


@given(st.lists(keyed_rows, max_size=12))
def test_rows_with_different_keys_share_no_batch(jobs: list[list[FakeRow]]) -> None:
    """Each key has the batches that it would have without the rows of other keys."""
    queue: RowQueue[int] = RowQueue(max_batch_length=512, max_padding=1.5)
    for job, rows in enumerate(jobs):
        queue.add(job, rows)
    batches = all_batches(queue)
    assert sum(map(len, batches)) == sum(map(len, jobs)) and len(queue) == 0
    for batch in batches:
        rows = [jobs[job][index] for job, index in batch]
        assert len({row.batch_key for row in rows}) == 1
        padded = len(rows) * max(row.length for row in rows)
        assert len(rows) == 1 or (padded <= 512 and padded <= 1.5 * sum(row.length for row in rows))


@given(st.lists(st.one_of(keyed_rows, st.integers(0, 9)), max_size=30))
def test_a_queue_whose_jobs_are_all_taken_or_discarded_keeps_nothing(steps: list[list[FakeRow] | int]) -> None:
    queue: RowQueue[int] = RowQueue(max_batch_length=64, max_padding=1.5)
    for job, step in enumerate(steps):
        if isinstance(step, int):
            queue.discard(step)
        else:
            queue.add(job, step)
    all_batches(queue)
    assert not (queue._by_length or queue._rows or queue._jobs or queue._lines or len(queue._flows))


def test_a_smaller_job_goes_first_whatever_the_keys_of_their_rows() -> None:
    """A job whose rows all have keys of their own must not hold up one that could be answered in one call."""
    queue: RowQueue[int] = RowQueue(max_batch_length=512, max_padding=1.5)
    queue.add(0, [FakeRow(10, key) for key in range(50)])
    queue.add(1, [FakeRow(10, "same")] * 8)
    assert [batch[0][0] for batch in all_batches(queue)][:3] == [1, 0, 0]


@given(st.lists(lengths, min_size=1, max_size=60))
def test_a_batch_is_the_oldest_row_and_those_nearest_to_it_in_length(rows: list[int]) -> None:
    queue = queue_with(rows, max_batch_length=2000, max_padding=1.2)
    batch = [index for _, index in queue.take()]

    assert 0 in batch
    inside = Counter(rows[index] for index in batch)
    outside = Counter(rows) - inside
    low, high = min(inside), max(inside)
    assert not any(low < length < high for length in outside), "the batch has a gap with a row of that length outside"
    for length in outside:  # one more row of the lengths at either end would exceed a limit
        if length in (low, high):
            padded = (len(batch) + 1) * max(high, length)
            assert padded > 2000 or padded > 1.2 * (sum(rows[index] for index in batch) + length)


def test_of_two_rows_the_nearer_one_joins_the_batch() -> None:
    queue = queue_with([100], [90], [95], max_batch_length=200)
    assert sorted(queue.take()) == [(0, 0), (2, 0)]


def test_a_row_longer_than_the_budget_has_a_batch_of_its_own() -> None:
    queue = queue_with([5000, 5000, 3], max_batch_length=512)
    assert [len(batch) for batch in all_batches(queue)] == [1, 1, 1]


def test_long_rows_share_a_call_only_while_it_fits_into_memory() -> None:
    queue: RowQueue[int] = RowQueue(max_batch_length=8192, max_padding=2.0, fits=lambda rows, n: rows * n * n <= 10**6)
    rows = [1000, 1000, 700, 700, 500, 500, 500, 500, 10, 10, 3000]
    queue.add(0, rows_of(rows))
    batches = [[rows[index] for _, index in batch] for batch in all_batches(queue)]
    assert sorted(map(sorted, batches)) == [[10, 10], [500] * 4, [700, 700], [1000], [1000], [3000]]


def test_a_job_of_one_row_does_not_wait_for_a_job_of_two_thousand() -> None:
    queue = queue_with([200] * 2000, [17])
    assert queue.take() == [(1, 0)]
    assert queue.take()[0] == (0, 0)
    queue.add(2, rows_of([17]))
    assert queue.take() == [(2, 0)]


def test_jobs_of_like_size_come_in_their_order() -> None:
    queue = queue_with([100] * 40, [200] * 40, [300] * 40, max_batch_length=600)
    owners = [batch[0][0] for batch in all_batches(queue)]
    assert owners == sorted(owners)


def test_a_row_of_another_flow_is_in_the_next_batch_whatever_a_flow_has_in_hand() -> None:
    queue = queue_with(*[[20 + job % 50] for job in range(1000)], [30] * 2048)
    for _ in range(20):
        queue.take()
    queue.add(-1, rows_of([40]), "b")
    queue.add(-2, rows_of([41]), "c")
    assert sorted(queue.take()) == [(-2, 0), (-1, 0)], "and those who have had too much do not make it a long one"
    assert len(queue.take()) > 2


def test_flows_share_calls_by_lengths_and_weights() -> None:
    """Not by jobs or rows: one of the flows has many short ones, and another has a single job."""
    queue: RowQueue[str] = RowQueue(max_batch_length=600, max_padding=1.05)
    for number in range(3000):
        queue.add(f"short{number}", rows_of([10]), "short", 1.0)
    queue.add("long", rows_of([300] * 200), "long", 1.0)
    queue.add("heavy", rows_of([100] * 2000), "heavy", 4.0)
    got: Counter[str] = Counter()
    for _ in range(120):
        for job, _ in queue.take():
            flow = job.rstrip("0123456789")
            got[flow] += {"short": 10, "long": 300, "heavy": 100}[flow]
    assert abs(got["short"] - got["long"]) <= 600
    assert abs(got["heavy"] - 4 * got["long"]) <= 4 * 600


def flooded(flow_of_large_jobs: str, num_large_jobs: int) -> RowQueue[int]:
    """Return a queue of 3,000 jobs of flow ``a`` with a row each, and jobs of 100 rows, which have lower numbers."""
    queue: RowQueue[int] = RowQueue(max_batch_length=16384, max_padding=1.1)
    lengths = [5 + (index * 7919) % 56 for index in range(5000)]
    for job in range(num_large_jobs):
        queue.add(job, rows_of(lengths[3000 + 100 * job : 3100 + 100 * job]), flow_of_large_jobs)
    for job in range(3000):
        queue.add(num_large_jobs + job, rows_of(lengths[job : job + 1]), "a")
    return queue


def test_calls_are_not_much_smaller_if_two_flows_flood_the_queue_than_if_one_does() -> None:
    one, two = (sum(len(queue.take()) for _ in range(12)) for queue in (flooded("a", 20), flooded("b", 20)))
    assert two >= 0.6 * one


def test_a_flood_adds_few_rows_to_the_calls_of_a_smaller_flow() -> None:
    queue = flooded("b", 3)
    taken: Counter[bool] = Counter()
    num_calls = 0
    while taken[True] < 300:
        taken.update(job < 3 for job, _ in queue.take())
        num_calls += 1
    assert taken[False] <= 2 * 300 and num_calls <= 20


def test_flows_share_calls_by_what_rows_take() -> None:
    """Attention takes the square of the length: at 1,000 tokens as much as all else, with this model."""
    queue: RowQueue[str] = RowQueue(max_batch_length=600, max_padding=1.05, pair_cost=0.001)
    queue.add("short", rows_of([10] * 6000), "short")
    queue.add("long", rows_of([5000] * 20), "long")
    taken = Counter(job for _ in range(60) for job, _ in queue.take())
    assert taken["long"] == 2, "the second came once 50 calls of 600 tokens had taken as much as the first"


def test_rows_that_join_in_the_turn_of_another_flow_are_at_the_expense_of_their_own() -> None:
    queue: RowQueue[int] = RowQueue(max_batch_length=100, max_padding=1.05)
    for job in range(50):
        queue.add(job, rows_of([10]), "a")
        queue.add(100 + job, rows_of([10]), "b")
    queue.add(1000, rows_of([50] * 20), "b")
    got: Counter[str] = Counter()
    for _ in range(8):
        for job, _ in queue.take():
            got["a" if job < 100 else "b"] += 50 if job == 1000 else 10
    assert abs(got["a"] - got["b"]) <= 100


def test_jobs_of_a_flow_that_has_had_much_are_forgotten_once_their_rows_are_taken() -> None:
    """Its turn may not come for long, and their results are held until then."""
    queue: RowQueue[int] = RowQueue(max_batch_length=1000, max_padding=1.05)
    for job in range(0, 40, 2):
        queue.add(job, rows_of([10]), "a", 8.0)
        queue.add(job + 1, rows_of([10]), "b", 0.001)
        assert len(queue.take()) == 2
    assert not queue._jobs and not queue._lines


def test_within_a_job_the_oldest_row_goes_first() -> None:
    queue = queue_with([10, 100, 200, 11, 101], max_batch_length=220)
    assert [sorted(index for _, index in batch) for batch in all_batches(queue)] == [[0, 3], [1, 4], [2]]


def test_no_row_starves_while_better_matches_keep_coming() -> None:
    queue = queue_with([300])
    queue.add(1, rows_of([20] * 5))
    for job in range(2, 50):
        queue.add(job, rows_of([20] * 5))
        if (0, 0) in queue.take():
            return
    raise AssertionError("the odd row was never taken")


def test_a_discarded_job_leaves_only_the_rows_of_others() -> None:
    queue = queue_with([10] * 50, [10] * 3)
    first = queue.take()
    queue.discard(0)
    queue.discard(0)
    queue.discard(99)
    rest = [row for batch in all_batches(queue) for row in batch]
    assert sorted(row for row in [*first, *rest] if row[0] == 1) == [(1, 0), (1, 1), (1, 2)]
    assert not [row for row in rest if row[0] == 0]


def test_a_job_without_rows_makes_no_batch() -> None:
    queue = queue_with([], [5], [])
    assert all_batches(queue) == [[(1, 0)]]


def test_batching_five_thousand_rows_costs_far_less_than_their_model_calls() -> None:
    """A call of 512 tokens takes MiniLM 15 ms or more on two cores; choosing a batch must be negligible against it."""
    many = [3 + (index * 7919) % 254 for index in range(5000)]
    queue = queue_with()
    started = time.process_time()
    queue.add(0, rows_of(many[:2048]))
    queue.add(1, rows_of(many[2048:4096]))
    for job, length in enumerate(many[4096:], start=2):
        queue.add(job, rows_of([length]))
    num_batches = len(all_batches(queue))
    ms_per_batch = 1000 * (time.process_time() - started) / num_batches
    print(f"{ms_per_batch:.3f} ms a batch, {num_batches} batches")
    assert ms_per_batch < 1.5


def test_rows_that_wait_count_although_others_of_their_jobs_have_run() -> None:
    """In a batch of like lengths are rows of many jobs. Those jobs still fill the worker."""
    queue = queue_with(*[[10, 100, 100] for _ in range(20)], max_batch_length=200)
    before = queue.fill
    assert len(queue.take()) == 20, "the short rows, of all jobs"
    assert queue.fill == before, "200 tokens of each are left, which is a call"
    queue.discard(0)
    assert queue.fill == before * 19 / 20
    all_batches(queue)
    assert queue.fill == 0


def test_how_full_a_queue_is_does_not_drift() -> None:
    """It is counted with each row that comes or goes, and must stay what a new queue with the same rows has."""
    random, max_batch_length = Random(1), 100
    queue, waiting = queue_with(max_batch_length=max_batch_length), dict[int, list[int]]()
    for job in range(2000):
        waiting[job] = [random.randint(1, 60) for _ in range(random.randint(1, 5))]
        queue.add(job, rows_of(waiting[job]))
        if random.random() < 0.6:
            for taken, _ in queue.take():
                waiting.pop(taken, None)  # rows of it may be left
                queue.discard(taken)
        if random.random() < 0.2:
            queue.discard(job)
            waiting.pop(job, None)
    assert queue.fill == pytest.approx(queue_with(*waiting.values(), max_batch_length=max_batch_length).fill)
    assert waiting, "the test compares empty queues"
