"""What bounds pauses, and what becomes of paused texts when something is stopped, replaced or fails."""

import gc
import weakref

import pytest

from contracts.errors import TriptychError
from tests.support.attempts import make_attempt
from tests.support.waiting import wait_until
from tests.unit.decoding.fakes import (
    FakeCache,
    FakeModel,
    answer,
    generation_figures,
    outputs_of,
    request,
    text_of,
    texts,
)
from tests.unit.decoding.steps import LONG, Steps
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.scheduling import paused_groups as paused_module
from workers.runtime.decoding.scheduling.paused_groups import MIN_TOKENS


def test_a_group_is_not_paused_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Steps(max_slots=1)
    bulk = run.bulk([1])
    run.step(3)
    interactive = [run.interactive(num_tokens=20) for _ in range(3)]
    run.step(2)
    assert run.prompts == [9]
    monkeypatch.setattr(paused_module, "MAX_PAUSED_S", 0.0)
    run.finish(interactive[0])
    run.finish(bulk)
    assert not interactive[1].has_started, "it goes on before all others, and is not paused again"


def test_pauses_leave_a_job_most_of_its_time() -> None:
    run = Steps(max_slots=1)
    run.bulk([1], timeout_s=0.0)
    run.step(3)
    run.interactive()
    run.step(10)
    assert run.prompts == [1], "a job without time is not paused"


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_a_paused_job_that_is_stopped_leaves_nothing_behind(how: str) -> None:
    run = Steps(max_slots=1)
    bulk = run.bulk([1])
    run.step(3)
    interactive = run.interactive(num_tokens=50)
    run.step(2)
    assert (run.scheduler.num_running, run.scheduler.num_waiting) == (1, 1), "the paused group waits"
    assert run.memory.used_bytes > 0 and bulk in run.scheduler.handles
    if how == "stop":
        bulk.attempt.stop()
    else:
        run.scheduler.remove(bulk)
    run.step()
    assert run.memory.used_bytes == 0 and bulk not in run.scheduler.handles and run.scheduler.num_waiting == 0
    run.finish(interactive)
    run.step()
    assert not run.scheduler and not run.cache.held


def test_what_is_saved_is_bounded_and_what_does_not_fit_stays() -> None:
    run = Steps(max_slots=3)
    run.memory.max_bytes = 100
    run.bulk([1] * 70, [2] * 60, [3] * 80)
    run.step(3)
    interactive = [run.interactive(num_tokens=40) for _ in range(2)]
    run.step(10)
    assert run.prompts == [1, 3, 9] and 0 < run.memory.used_bytes <= 100
    run.finish(*interactive)


def test_groups_that_cannot_be_saved_go_on_and_are_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Steps(max_slots=2)
    bulk = run.bulk([1], [2])
    run.step(3)
    interactive = run.interactive()
    with monkeypatch.context() as broken:
        broken.setattr(run.cache, "save", lambda slots: 1 / 0)
        run.step(5)
        assert run.prompts == [1, 2] and not interactive.has_started
    run.step(MIN_TOKENS)
    assert interactive.has_started
    run.finish(bulk)
    assert texts(bulk) == [text_of(answer([number], LONG)) for number in (1, 2)]


def test_a_group_that_cannot_be_restored_costs_its_job_and_no_other(
    monkeypatch: pytest.MonkeyPatch, quiet: None
) -> None:
    run = Steps(max_slots=2)
    first, second = run.bulk([1]), run.bulk([2] * 9)
    run.step(3)
    monkeypatch.setattr(run.cache, "_restore", lambda content, slots: 1 / 0)
    run.finish(run.interactive(), first, second)
    with pytest.raises(TriptychError):
        first.results()
    assert texts(second) == [text_of(answer([2] * 9, LONG))]
    run.step()
    assert not run.scheduler and not run.cache.held and run.memory.used_bytes == 0


def test_pauses_are_among_the_figures_of_the_engine(engine: DecodingEngine) -> None:
    model = FakeModel(FakeCache(max_slots=1))
    model.cache.gate.clear()
    bulk = engine.submit(model, [request([1], 2000)], make_attempt(lane="bulk"))
    wait_until(lambda: bulk.has_started, "nothing runs")
    interactive = engine.submit(model, [request([9], 5)], make_attempt(lane="interactive"))
    model.cache.gate.set()
    outputs_of(interactive)
    assert generation_figures(engine).pauses == 1
    assert texts(bulk) == [text_of(answer([1], 2000))]


def test_a_replaced_model_is_dropped_when_its_paused_texts_are_written(engine: DecodingEngine) -> None:
    cache = FakeCache(max_slots=1)
    model = FakeModel(cache)
    reference = weakref.ref(model)
    cache.gate.clear()
    bulk = engine.submit(model, [request([1], 100)], make_attempt(lane="bulk"))
    dropped = engine.submit(model, [request([2], 100)], make_attempt(lane="bulk"))
    wait_until(lambda: cache.held, "nothing runs")
    interactive = [engine.submit(model, [request([9], 5)], make_attempt(lane="interactive")) for _ in range(2)]
    gc.collect()
    gc.disable()
    try:
        cache.gate.set()
        outputs_of(interactive[0])
        engine.cancel(dropped)
        outputs_of(bulk)
        assert generation_figures(engine).pauses
        del model, bulk, dropped, interactive
        wait_until(lambda: reference() is None, "the engine holds a model without requests")
    finally:
        gc.enable()
