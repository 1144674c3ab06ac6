"""Calls of one flow are short while other flows are there: nobody who comes waits for a long one."""

import pytest

from contracts import recent_flows
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from tests.unit.batching.echo import Echo, hold, row
from tests.unit.batching.fakes import rows_of
from workers.runtime.batching.crowd import is_crowded
from workers.runtime.batching.engine import BatchHandle, BatchingEngine
from workers.runtime.batching.measuring import MOST_SHARED_CALLS, SHARED_CALL_S, shared_length
from workers.runtime.batching.row_queue import RowQueue
from workers.runtime.inference.session import Array
from workers.runtime.price.measuring import ReadTimes

NUM_ROWS = 40


@pytest.fixture(autouse=True)
def long_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other flows count as there for as long as a test takes, however busy the machine is."""
    monkeypatch.setattr(recent_flows, "SEVERAL_S", PATIENCE_S)


def sizes_of_calls(engine: BatchingEngine, echo: Echo, *tenants: str, num_of_last: int = NUM_ROWS) -> list[int]:
    """Return how many rows calls have while many rows of these tenants wait, or fewer of the last; of 32 tokens."""
    echo.gate.clear()
    handles: list[BatchHandle] = []
    for tenant in tenants:
        num_rows = num_of_last if tenant == tenants[-1] else NUM_ROWS
        handles += [engine.submit(echo, [row(7, 32)], make_attempt(tenant=tenant)) for _ in range(num_rows)]
    assert echo.entered.acquire(timeout=PATIENCE_S)
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    sizes = [len(batch) for batch in echo.batches[1:]]  # the first one began before there were others
    echo.batches.clear()
    while echo.entered.acquire(blocking=False):
        pass
    return sizes


def test_calls_are_short_while_one_flow_floods_and_another_one_may_come(engine: BatchingEngine, echo: Echo) -> None:
    echo.max_shared_length = 128
    assert max(sizes_of_calls(engine, echo, "a")) == 16, "nobody else is there"
    assert max(sizes_of_calls(engine, echo, "a", "b", num_of_last=1)) == 4
    assert max(sizes_of_calls(engine, echo, "a")) == 4, "the other one may come again"


def test_calls_are_full_while_several_flows_flood(engine: BatchingEngine, echo: Echo) -> None:
    echo.max_shared_length = 128
    sizes = sizes_of_calls(engine, echo, "a", "b")
    assert sizes[0] == 16
    assert max(sizes_of_calls(engine, echo, "b")) == 4, "now one floods, and the other one may come again"


def test_a_text_that_comes_while_calls_are_short_is_in_a_short_one(engine: BatchingEngine, echo: Echo) -> None:
    """Short calls give a flood no large lead, by which it would be kept out of the text's call."""
    echo.max_shared_length = 128
    hold(engine, echo)
    texts: list[BatchHandle] = []

    def answer(results: list[Array]) -> list[Array]:
        if len(echo.batches) == 6:
            texts.append(engine.submit(echo, [row(8, 31)], make_attempt(tenant="b")))
        return results

    echo.answer = answer
    flood = [engine.submit(echo, [row(7, 31)], make_attempt(tenant="a")) for _ in range(200)]
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in flood) and texts[0].wait(PATIENCE_S)
    assert [len(batch) for batch in echo.batches if 8 in batch] == [4]


@pytest.mark.parametrize("num_flows", [2, 4])
def test_calls_are_full_where_several_flows_have_a_few_long_rows_each(
    engine: BatchingEngine, echo: Echo, num_flows: int
) -> None:
    echo.max_shared_length = 128
    hold(engine, echo)
    handles = [
        engine.submit(echo, [row(7, 100)], make_attempt(tenant=f"tenant{number % num_flows}"))
        for number in range(2 * num_flows)
    ]
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    assert len(echo.batches[1]) == min(2 * num_flows, 5)


def test_calls_are_full_while_each_of_two_flows_floods_a_model_of_its_own(engine: BatchingEngine, echo: Echo) -> None:
    other = Echo("other")
    echo.max_shared_length = other.max_shared_length = 128
    hold(engine, echo)
    handles: list[BatchHandle] = []
    for _ in range(NUM_ROWS):
        handles.append(engine.submit(echo, [row(7, 32)], make_attempt(tenant="a")))
        handles.append(engine.submit(other, [row(8, 32)], make_attempt(tenant="b")))
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    assert [len(batch) for batch in echo.batches[1:3]] == [len(batch) for batch in other.batches[:2]] == [16, 16]


def test_calls_are_short_while_one_flow_floods_two_models(engine: BatchingEngine, echo: Echo) -> None:
    other = Echo("other")
    echo.max_shared_length = other.max_shared_length = 128
    hold(engine, echo)
    handles = [engine.submit(other, [row(9, 32)], make_attempt(tenant="b"))]
    for _ in range(NUM_ROWS):
        handles += [engine.submit(model, [row(7, 32)], make_attempt(tenant="a")) for model in (echo, other)]
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    assert {len(batch) for batch in [*echo.batches[1:], *other.batches]} <= {1, 4}


def test_crowds_are_told_from_single_floods() -> None:
    assert not is_crowded([])
    assert not is_crowded([({"a": 10_000}, 128)])
    assert not is_crowded([({"a": 10_000, "b": 64, "c": 63}, 128)])
    assert is_crowded([({"a": 10_000, "b": 64, "c": 64}, 128)])
    assert is_crowded([({"b": 128, "a": 10_000}, 128)])
    assert not is_crowded([({"a": 10_000}, 128), ({"a": 10_000}, 1000)]), "the same flow"
    assert is_crowded([({"a": 10_000}, 128), ({"b": 1000}, 1000)])
    assert not is_crowded([({"a": 10_000}, 128), ({"b": 999}, 1000)])


def test_the_lengths_that_wait_of_flows_are_those_of_their_rows() -> None:
    queue: RowQueue[str] = RowQueue(max_batch_length=64, max_padding=1.05)
    queue.add("one", rows_of([32, 32, 32]), "a")
    queue.add("two", rows_of([8]), "a")
    queue.add("three", rows_of([32]), "b")
    assert queue.lengths == {"a": 104, "b": 32}
    queue.discard("two")
    assert queue.take(32) == [("one", 0)] and queue.lengths == {"a": 64, "b": 32}
    assert queue.take(32) == [("three", 0)] and queue.lengths == {"a": 64}
    queue.discard("one")
    assert queue.lengths == {}


def test_calls_get_long_again_when_no_other_flow_has_come_for_long(
    engine: BatchingEngine, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo.max_shared_length = 128
    monkeypatch.setattr(recent_flows, "SEVERAL_S", 0.0)
    sizes_of_calls(engine, echo, "a", "b")
    assert max(sizes_of_calls(engine, echo, "b")) == 16


def test_a_short_batch_is_filled_like_a_long_one() -> None:
    """What should wait is reckoned in full batches all the same: a call of the store must not bring single jobs."""
    queue: RowQueue[int] = RowQueue(max_batch_length=512, max_padding=1.05)
    fills = [queue.add(job, rows_of([32])) for job in range(NUM_ROWS)]
    assert len(queue.take(128)) == 4
    assert len(queue.take()) == 16
    assert len(queue.take(4096)) == 16
    assert queue.take(1) and queue.add(NUM_ROWS, rows_of([32])) == fills[0]


@pytest.mark.parametrize(
    "times",
    [
        ReadTimes(0.0, SHARED_CALL_S / 4000),
        ReadTimes(1.6e-5, 5e-7),
        ReadTimes(0.0, 0.0, 2e-8),
        ReadTimes(8e-6, 1e-6, 1e-8),
    ],
    ids=["by token", "by row", "by pair of tokens", "by all of them"],
)
def test_a_short_call_takes_no_longer_than_one_may_wait_for(times: ReadTimes) -> None:
    def call_s(length: int) -> float:
        pairs_s = times.token_pair_s * length * length
        return (times.row_s + times.token_in_s * length + pairs_s) * (shared_length(times, 8192) // length)

    most = max(call_s(length) for length in (8, 32, 128))
    assert 0.9 * SHARED_CALL_S < most < 1.001 * SHARED_CALL_S


def test_a_short_call_is_a_full_one_or_a_good_part_of_it_at_least() -> None:
    def tokens(token_in_s: float, max_batch_length: int = 8192) -> int:
        return shared_length(ReadTimes(0.0, token_in_s), max_batch_length)

    assert tokens(SHARED_CALL_S / 100_000) == 8192, "a full call takes less"
    assert tokens(SHARED_CALL_S / 10) == 8192 / MOST_SHARED_CALLS, "shorter ones would cost too much"
    assert tokens(1.0, 1) == 1
    assert tokens(0.0) == 8192, "the model was not measured"
