"""Steps 5 and 6: one thread runs the rows of many jobs, each result goes to its row, and jobs fail separately."""

import random
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from contracts.errors import InputTooLong, OutOfMemory, TriptychError
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.batching.echo import TRIGGER, Echo, hold, numbers_of, row, submit
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.inference.session import Array

MIN_WAIT_S = 0.02


def test_each_result_goes_to_its_row_whatever_it_is_batched_with(engine: BatchingEngine, echo: Echo) -> None:
    def job(seed: int) -> None:
        chance = random.Random(seed)
        for part in range(20):
            numbers = [seed * 100_000 + part * 1000 + index for index in range(chance.choice([1, 1, 3, 40]))]
            rows = [row(number, chance.randint(1, 300)) for number in numbers]
            assert numbers_of(submit(engine, echo, rows, group=chance.choice(["", "", "", "g", "h"]))) == numbers

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(job, range(1, 33)))
    assert engine.figures().num_rows == sum(map(len, echo.batches))
    assert engine.figures().num_batches == len(echo.batches) < engine.figures().num_rows
    assert engine.figures().real_length <= engine.figures().padded_length <= 1.05 * engine.figures().real_length
    assert engine.figures().busy_since is None


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (MemoryError, OutOfMemory),
        (lambda: RuntimeError("Failed to allocate memory for requested buffer of size 9"), OutOfMemory),
        (lambda: SystemExit(3), TriptychError),
        (lambda: ValueError("bad"), TriptychError),
        (KeyboardInterrupt, TriptychError),
        (lambda: type("PanicException", (BaseException,), {})("native"), TriptychError),
        (lambda: InputTooLong("inputs[0] is long", param="inputs[0]"), InputTooLong),
    ],
)
def test_a_job_that_makes_the_model_fail_is_the_only_one_that_fails(
    engine: BatchingEngine, echo: Echo, failure: Callable[[], BaseException], expected: type[TriptychError]
) -> None:
    echo.failure = failure
    held = hold(engine, echo)
    mates = [submit(engine, echo, [row(number)]) for number in (2, 3)]
    culprit = submit(engine, echo, [row(4), row(TRIGGER), row(5)])
    mates.append(submit(engine, echo, [row(6)]))
    echo.gate.set()

    assert numbers_of(held) == [1]
    assert [numbers_of(mate) for mate in mates] == [[2], [3], [6]]
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(expected) as caught:
        culprit.results()
    assert type(caught.value) is expected
    assert any(TRIGGER in batch and len(batch) > 3 for batch in echo.batches), "the jobs did not share a batch"
    assert numbers_of(submit(engine, echo, [row(7)])) == [7], "the thread must survive the failure"


def test_a_failed_jobs_other_rows_are_not_run(engine: BatchingEngine, echo: Echo) -> None:
    echo.failure = ValueError
    held = hold(engine, echo)
    culprit = submit(engine, echo, [row(TRIGGER, 300), *(row(number, 250) for number in range(10, 30))])
    echo.gate.set()
    assert held.wait(PATIENCE_S) and culprit.wait(PATIENCE_S)
    assert numbers_of(submit(engine, echo, [row(9)])) == [9]
    assert echo.batches == [[1], [TRIGGER], [9]]


def test_suspects_share_batches_with_their_group_only(engine: BatchingEngine, echo: Echo) -> None:
    held = hold(engine, echo)
    others = [submit(engine, echo, [row(number), row(number)]) for number in (2, 3)]
    suspects = [
        submit(engine, echo, [row(number)] * 3, group=group) for number, group in ((50, "g"), (60, "h"), (51, "g"))
    ]
    echo.gate.set()
    for handle in (held, *others, *suspects):
        assert handle.wait(PATIENCE_S)
    assert [batch for batch in echo.batches if batch[0] >= 50] == [[50] * 3 + [51] * 3, [60] * 3]


def test_a_group_of_suspects_takes_turns_with_the_others(engine: BatchingEngine, echo: Echo) -> None:
    held = hold(engine, echo)
    suspect = submit(engine, echo, [row(50, 400)] * 20, group="g")
    other = submit(engine, echo, [row(2)])
    echo.gate.set()
    assert numbers_of(other) == [2] and held.wait(PATIENCE_S)
    assert echo.batches[:3] == [[1], [50], [2]]
    assert numbers_of(suspect) == [50] * 20


def test_models_take_turns(engine: BatchingEngine) -> None:
    first, second = Echo("first"), Echo("second")
    order: list[str] = []
    for model in (first, second):
        model.answer = lambda results, name=model.name: order.append(name) or results  # type: ignore[misc]
    held = hold(engine, first)
    handles = [submit(engine, model, [row(9, 400)] * 5) for model in (first, second)]
    first.gate.set()
    for handle in (held, *handles):
        assert handle.wait(PATIENCE_S)
    assert all(left != right for left, right in pairwise(order[1:])), order


def test_tenants_share_by_what_the_model_says_that_long_rows_take(engine: BatchingEngine, echo: Echo) -> None:
    echo.pair_cost = 0.01
    held = hold(engine, echo)
    short, long = ([row(2, 100)] * 60, [row(3, 500)] * 2)
    handles = [engine.submit(echo, rows, make_attempt(tenant=f"{len(rows)}")) for rows in (short, long)]
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in (held, *handles))
    turns = [batch[0] for batch in echo.batches[1:]]
    assert turns[:4] == [2, 3, 2, 2], "a long row takes 3,000, and a call of five short ones takes 1,000"


@pytest.mark.parametrize("is_flood", [False, True])
def test_an_interactive_row_waits_for_no_call_of_another_model(engine: BatchingEngine, is_flood: bool) -> None:
    models = {name: Echo(name) for name in ("first", "second", "third")}
    order: list[str] = []
    for model in models.values():
        model.answer = lambda results, name=model.name: order.append(name) or results  # type: ignore[misc]
    models["first"].gate.clear()
    bulk = make_attempt(lane="bulk")
    handles = [engine.submit(models[name], [row(9, 400)] * 4, bulk) for name in ("first", "second", "third")]
    assert models["first"].entered.acquire(timeout=PATIENCE_S)
    interactive = [row(8, 400)] * (4 if is_flood else 1)
    handles.append(engine.submit(models["first"], interactive, make_attempt(lane="interactive")))
    models["first"].gate.set()
    for handle in handles:
        assert handle.wait(PATIENCE_S)
    if is_flood:
        assert order[1:7] == ["first", "second", "first", "third", "first", "second"], "others have every second call"
    else:
        assert order[1:5] == ["first", "second", "third", "first"]


def test_two_versions_of_a_model_share_its_name_and_no_batch(engine: BatchingEngine) -> None:
    old, new = Echo("same"), Echo("same")
    held = hold(engine, old)
    handles = [submit(engine, model, [row(number)]) for model in (old, new) for number in (2, 3)]
    old.gate.set()
    assert held.wait(PATIENCE_S)
    assert [numbers_of(handle) for handle in handles] == [[2], [3], [2], [3]]
    assert (old.batches, new.batches) == ([[1], [2, 3]], [[2, 3]])


def test_an_idle_engine_keeps_no_model_in_memory(engine: BatchingEngine) -> None:
    model = Echo()
    assert numbers_of(submit(engine, model, [row(1)])) == [1]
    reference = weakref.ref(model)
    del model
    wait_until(lambda: reference() is None, "the engine holds a model without requests")


def test_a_cancelled_jobs_waiting_rows_are_dropped(engine: BatchingEngine, echo: Echo) -> None:
    held = hold(engine, echo)
    cancelled = submit(engine, echo, [row(5, 300)] * 10)
    engine.cancel(cancelled)
    engine.cancel(cancelled)
    kept = submit(engine, echo, [row(6)])
    echo.gate.set()
    assert numbers_of(kept) == [6] and numbers_of(held) == [1]
    assert [5] not in echo.batches
    assert not cancelled.wait(0)


def test_a_job_cancelled_during_its_batch_does_not_affect_others(engine: BatchingEngine, echo: Echo) -> None:
    echo.failure = ValueError
    held = hold(engine, echo)
    engine.cancel(held)
    both = submit(engine, echo, [row(2), row(TRIGGER)])
    mate = submit(engine, echo, [row(3)])
    echo.gate.set()
    assert both.wait(PATIENCE_S)
    engine.cancel(both)
    assert numbers_of(mate) == [3]
    assert numbers_of(held) == [1], "rows that ran must have their results"


def test_submitting_and_cancelling_from_many_threads_leaves_an_empty_engine(engine: BatchingEngine, echo: Echo) -> None:
    def job(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            handle = submit(engine, echo, [row(seed, chance.randint(1, 200)) for _ in range(chance.randint(1, 9))])
            if chance.random() < 0.5:
                engine.cancel(handle)
            else:
                assert numbers_of(handle) == [seed] * len(handle.items)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(job, range(16)))
    assert numbers_of(submit(engine, echo, [row(77)])) == [77]
    wait_until(lambda: not engine._queues, "rows were left in the queues")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda results: results[:-1],
        lambda results: [*results, results[0]],
        lambda results: [],
        lambda results: None,
        lambda results: (result for result in results),
    ],
)
def test_a_wrong_number_of_answers_is_an_error(
    engine: BatchingEngine, echo: Echo, wrong: Callable[[list[Array]], Any]
) -> None:
    echo.answer = wrong
    handle = submit(engine, echo, [row(1), row(2)])
    assert handle.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        handle.results()


def test_a_row_without_an_answer_is_an_error(engine: BatchingEngine, echo: Echo) -> None:
    echo.answer = lambda results: [None, *results[1:]]
    handle = submit(engine, echo, [row(1), row(2)])
    assert handle.wait(PATIENCE_S)
    with pytest.raises(RuntimeError, match="1 of 2 items"):
        handle.results()


def test_a_job_without_rows_is_done_at_once(engine: BatchingEngine, echo: Echo) -> None:
    handle = submit(engine, echo, [])
    assert handle.wait(0) and handle.results() == []
    assert numbers_of(submit(engine, echo, [row(1)])) == [1]


def test_the_thread_survives_errors_outside_of_the_model_call(engine: BatchingEngine, echo: Echo) -> None:
    """Even a defect outside the model call must not leave a worker that takes jobs and never answers."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    echo.failure = Unprintable
    handle = submit(engine, echo, [row(TRIGGER)])
    assert handle.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        handle.results()
    assert numbers_of(submit(engine, echo, [row(1)])) == [1]


def test_a_finished_job_stays_finished(engine: BatchingEngine, echo: Echo) -> None:
    handle = submit(engine, echo, [row(1)])
    assert numbers_of(handle) == [1]
    handle.fail(TriptychError())
    assert numbers_of(handle) == [1]


def test_the_watchdog_sees_how_long_one_call_runs(engine: BatchingEngine, echo: Echo) -> None:
    held = hold(engine, echo)
    assert engine.figures().busy_since is not None
    echo.gate.set()
    assert held.wait(PATIENCE_S)
    wait_until(lambda: engine.figures().busy_since is None, "the engine is still busy")


def test_time_in_the_queue_and_in_calls_is_measured_separately(engine: BatchingEngine, echo: Echo) -> None:
    before = time.perf_counter()
    held = hold(engine, echo)
    runs = time.perf_counter()
    waiting = submit(engine, echo, [row(2)])
    release_at = time.perf_counter() + MIN_WAIT_S
    wait_until(lambda: time.perf_counter() > release_at, "time stands still")
    echo.gate.set()
    assert held.wait(PATIENCE_S) and waiting.wait(PATIENCE_S)
    ended = time.perf_counter()
    assert 0 < held.wait_s <= runs - before and held.infer_s > MIN_WAIT_S
    assert waiting.wait_s > MIN_WAIT_S and 0 < waiting.infer_s <= ended - release_at
    assert waiting.wait_s + waiting.infer_s <= ended - runs


def test_the_jobs_of_a_call_are_noted_while_it_runs(echo: Echo) -> None:
    noted: list[set[str]] = []
    engine = BatchingEngine(lambda job_ids: noted.append(set(job_ids)))
    held = hold(engine, echo)
    rows = {"one": [row(1), row(2)], "two": [row(3)], "long": [row(4, 300)]}
    handles = [engine.submit(echo, its_rows, make_attempt(job_id=job_id)) for job_id, its_rows in rows.items()]
    assert noted == [{held.attempt.claim.id}]
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    wait_until(lambda: len(noted) == 6, "the end of the last call was not noted")
    assert noted[1:] == [set(), {"one", "two"}, set(), {"long"}, set()]


def test_the_jobs_of_a_call_that_fails_are_noted_one_by_one(echo: Echo) -> None:
    noted: list[set[str]] = []
    engine = BatchingEngine(lambda job_ids: noted.append(set(job_ids)))
    echo.failure = ValueError
    hold(engine, echo)
    handles = [engine.submit(echo, [row(number)], make_attempt(job_id=str(number))) for number in (2, TRIGGER)]
    echo.gate.set()
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    wait_until(lambda: len(noted) == 8, "the end of the last call was not noted")
    assert noted[2:] == [{"2", str(TRIGGER)}, set(), {"2"}, set(), {str(TRIGGER)}, set()]
