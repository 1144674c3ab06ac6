"""How many jobs the engine asks for while it has some."""

import threading

import pytest

from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.batching.echo import Echo, hold, row, submit
from workers.runtime.batching.engine import BatchHandle, BatchingEngine
from workers.runtime.batching.row_queue import MIXED_BATCHES


def test_the_engine_wants_jobs_for_full_batches_besides_the_one_that_runs(engine: BatchingEngine, echo: Echo) -> None:
    told = threading.Event()
    engine.when_wanted(told.set)
    assert engine.num_wanted() > 0
    held = hold(engine, echo)
    handles: list[BatchHandle] = []
    while engine.num_wanted():
        handles.append(submit(engine, echo, [row(2, 128)]))
    rows_a_batch = echo.max_batch_length // 128
    full = MIXED_BATCHES * rows_a_batch
    assert full - rows_a_batch < len(handles) <= full, "the rows that wait fill as many batches"
    told.clear()
    echo.gate.set()
    assert told.wait(PATIENCE_S), "the engine does not say that it wants jobs again"
    assert all(handle.wait(PATIENCE_S) for handle in (held, *handles))
    # It knows by now how large jobs are, so it asks for as many of them at once.
    assert MIXED_BATCHES <= engine.num_wanted() <= full


def test_the_engine_asks_for_no_jobs_where_less_than_a_batch_is_missing(engine: BatchingEngine, echo: Echo) -> None:
    """Each time that it asks costs a call of the store, which would bring one job after the other."""
    held = hold(engine, echo)
    handles: list[BatchHandle] = []
    fewest = MIXED_BATCHES * 4
    while wanted := engine.num_wanted():
        fewest = min(fewest, wanted)
        handles.append(submit(engine, echo, [row(2, echo.max_batch_length // 4)]))
    assert fewest > 1, "a call is made for a single job"
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in (held, *handles))


def test_of_rows_that_can_not_share_a_call_the_engine_wants_two(engine: BatchingEngine, echo: Echo) -> None:
    """More would wait here while other workers are idle."""
    echo.max_batch_length = 1
    held = hold(engine, echo)
    handles = [submit(engine, echo, [row(number)]) for number in range(2)]
    assert engine.num_wanted() == 0
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in (held, *handles))
    wait_until(lambda: 1 <= engine.num_wanted() <= 2, "the engine wants other jobs than two")


def test_jobs_that_were_dropped_are_made_up_for(engine: BatchingEngine, echo: Echo) -> None:
    held, dropped = hold(engine, echo), []
    while engine.num_wanted():
        dropped.append(submit(engine, echo, [row(5, 300)] * 100))
    for handle in dropped:
        engine.cancel(handle)
    assert engine.num_wanted() > 0
    echo.gate.set()
    assert held.wait(PATIENCE_S)


@pytest.mark.parametrize("max_batch_length", [512, 1])
def test_a_job_with_many_rows_keeps_no_others_away(engine: BatchingEngine, echo: Echo, max_batch_length: int) -> None:
    """It fills one call of those that should wait, however many rows it has."""
    echo.max_batch_length = max_batch_length
    echo.gate.clear()
    large = submit(engine, echo, [row(1, 100)] * 400)
    assert echo.entered.acquire(timeout=PATIENCE_S)
    small = []
    while engine.num_wanted():
        small.append(submit(engine, echo, [row(2, 200)]))
    assert small
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in (large, *small))
    last_small = max(index for index, batch in enumerate(echo.batches) if 2 in batch)
    assert last_small <= 2 * len(small) + 1 < len(echo.batches) - 1
