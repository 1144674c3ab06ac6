"""The figures of the decoding engine, its thread, and the models that it holds."""

import gc
import threading
import weakref

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.decoding.fakes import FakeModel, RecordingSink, generation_figures, outputs_of, request
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Beams


def test_tokens_times_and_cache_use_are_counted(engine: DecodingEngine, model: FakeModel) -> None:
    engine.register(model)
    assert generation_figures(engine).cache_max_tokens == model.cache.capacity_tokens
    handle = engine.submit(model, [request([1, 2, 3], 5)], make_attempt())
    outputs_of(handle)
    wait_until(lambda: not generation_figures(engine).rows_running, "the slot was not freed")
    figures = generation_figures(engine)
    assert (figures.tokens_in, figures.tokens_out) == (3, 5)
    assert (sum(figures.first_token.counts), sum(figures.token_gap.counts)) == (1, 4)
    assert 0 < figures.token_gap.sum_s < PATIENCE_S
    assert (engine.figures().num_batches, engine.figures().num_rows, engine.figures().real_length) == (5, 5, 7)
    assert 0 < handle.wait_s <= handle.first_token_s and handle.infer_s > 0
    assert engine.figures().busy_since is None


def test_a_running_model_call_is_visible_to_the_watchdog(engine: DecodingEngine, model: FakeModel) -> None:
    model.cache.gate.clear()
    handle = engine.submit(model, [request([1], 1)], make_attempt())
    wait_until(lambda: engine.figures().busy_since is not None, "the watchdog sees no model call")
    model.cache.gate.set()
    outputs_of(handle)


def test_a_model_without_requests_is_not_kept_in_memory(engine: DecodingEngine) -> None:
    """Not even by a reference cycle: an idle worker may not run the garbage collector for a long time."""
    model = FakeModel()
    reference = weakref.ref(model)
    engine.register(model)
    gc.collect()
    gc.disable()
    try:
        beams = request([2], 3, beams=Beams(2))
        outputs_of(engine.submit(model, [request([1], 3, stream=True), beams], make_attempt()))
        del model
        wait_until(lambda: reference() is None, "the engine holds a model without requests")
    finally:
        gc.enable()
    assert generation_figures(engine).cache_max_tokens == 0


def test_the_thread_of_the_engine_ends_with_the_process() -> None:
    DecodingEngine(RecordingSink())
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "inference")
