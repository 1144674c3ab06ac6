"""Calls of one flow are short while other flows are there: nobody who comes waits for a long one."""

import pytest

from contracts import recent_flows
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from tests.unit.batching.echo import Echo, row
from tests.unit.batching.fakes import rows_of
from workers.runtime.batching.engine import BatchHandle, BatchingEngine
from workers.runtime.batching.measuring import MOST_SHARED_CALLS, SHARED_CALL_S, shared_length
from workers.runtime.batching.row_queue import RowQueue
from workers.runtime.price.measuring import ReadTimes

NUM_ROWS = 40


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


def test_a_short_call_takes_about_as_long_as_one_may_wait_for() -> None:
    def tokens(token_in_s: float) -> int:
        return shared_length(ReadTimes(0.0, token_in_s), 8192)

    assert tokens(SHARED_CALL_S / 4000) == pytest.approx(4000, abs=1)
    assert tokens(SHARED_CALL_S / 100_000) == 8192, "a full call takes less"
    assert tokens(SHARED_CALL_S / 10) == 8192 / MOST_SHARED_CALLS, "shorter ones would cost too much"
    assert tokens(0.0) == 8192, "the model was not measured"
