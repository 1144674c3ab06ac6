"""Jobs that fail, stop or are cancelled, and what that means for the jobs that share their model calls."""

from itertools import pairwise

import pytest

from contracts.errors import OutOfMemory, TriptychError
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.decoding.fakes import (
    FakeCache,
    FakeModel,
    RecordingSink,
    answer,
    generation_figures,
    request,
    text_of,
    texts,
)
from workers.runtime.attempts.attempt import AttemptStopped
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sequences.prefill import Prefill


def test_a_job_that_must_stop_is_removed_within_a_step(engine: DecodingEngine, model: FakeModel) -> None:
    attempt = make_attempt()
    model.cache.gate.clear()
    running = engine.submit(model, [request([1], 4000), request([2], 4000)], attempt)
    wait_until(lambda: model.cache.peak == 2, "the texts got no slots")
    other = engine.submit(model, [request([3], 500)], make_attempt())
    attempt.stop()
    model.cache.gate.set()
    assert running.wait(PATIENCE_S)
    with pytest.raises(AttemptStopped):
        running.results()
    assert texts(other) == [text_of(answer([3], 500))]
    assert model.cache.held == {}
    assert sum(kind == "step" and num_tokens > 1 for kind, num_tokens, _ in model.cache.calls) <= 1


def test_a_cancelled_request_is_removed_whether_it_waits_or_runs(sink: RecordingSink) -> None:
    engine, model = DecodingEngine(sink), FakeModel(FakeCache(max_slots=1))
    running = engine.submit(model, [request([1], 4000)], make_attempt())
    waiting = engine.submit(model, [request([2], 4000)], make_attempt())
    wait_until(lambda: model.cache.calls, "the first request did not start")
    engine.cancel(waiting)
    engine.cancel(running)
    assert texts(engine.submit(model, [request([3], 5)], make_attempt())) == [text_of(answer([3], 5))]
    assert not running.finished and not waiting.finished
    figures = generation_figures(engine)
    assert (figures.rows_running, figures.rows_waiting, figures.cache_tokens) == (0, 0, 0)


def test_a_decode_step_that_fails_ends_only_the_job_that_makes_it_fail(
    engine: DecodingEngine, model: FakeModel, quiet: None
) -> None:
    whole = answer([1], 30)
    others = [[number] for number in (11, 12, 13)]
    poison = next(token for token in whole[5:] if all(token not in answer(ids, 30) for ids in others))
    model.cache.poisoned = {poison}
    culprit = engine.submit(model, [request([1], 30)], make_attempt())
    handles = [engine.submit(model, [request(ids, 30)], make_attempt()) for ids in others]
    assert [texts(handle) for handle in handles] == [[text_of(answer(ids, 30))] for ids in others]
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()
    assert model.cache.held == {}


def test_a_prefill_that_fails_ends_all_texts_of_its_job(engine: DecodingEngine, model: FakeModel, quiet: None) -> None:
    model.cache.poisoned = {33}
    culprit = engine.submit(model, [request([1], 500), request([33], 5), request([2], 500)], make_attempt())
    other = engine.submit(model, [request([4], 5)], make_attempt())
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()
    assert texts(other) == [text_of(answer([4], 5))]
    assert model.cache.held == {}


def test_logits_that_are_nan_end_only_their_job(engine: DecodingEngine, model: FakeModel, quiet: None) -> None:
    model.cache.poisoned = {-40}
    culprit = engine.submit(model, [request([40], 5)], make_attempt())
    other = engine.submit(model, [request([4], 5)], make_attempt())
    assert texts(other) == [text_of(answer([4], 5))]
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_a_lack_of_memory_is_reported_as_out_of_memory(
    engine: DecodingEngine, model: FakeModel, quiet: None, error: BaseException
) -> None:
    def prefill(*_: object) -> None:
        raise error

    model.cache.prefill = prefill  # type: ignore[assignment, method-assign]
    handle = engine.submit(model, [request([1], 5)], make_attempt())
    assert handle.wait(PATIENCE_S)
    with pytest.raises(OutOfMemory):
        handle.results()


def test_a_request_that_can_not_be_started_ends_only_its_job(
    engine: DecodingEngine, model: FakeModel, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefill = model.prefill

    def failing_prefill(request: GenerationRequest, slots: list[int]) -> Prefill:
        if request.prompt_ids[0] == 33:
            raise ValueError("this model can't take such a request")
        return prefill(request, slots)

    monkeypatch.setattr(model, "prefill", failing_prefill)
    running = engine.submit(model, [request([1], 500)], make_attempt())
    culprit = engine.submit(model, [request([2], 5), request([33], 5)], make_attempt())
    later = engine.submit(model, [request([4], 5)], make_attempt())
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()
    assert texts(running) == [text_of(answer([1], 500))]
    assert texts(later) == [text_of(answer([4], 5))]
    assert model.cache.held == {}


def test_the_jobs_of_each_call_are_noted(sink: RecordingSink) -> None:
    """If native code ends the process, these are blamed for it."""
    noted: list[set[str]] = []
    engine, model = DecodingEngine(sink, lambda job_ids: noted.append(set(job_ids))), FakeModel()
    model.cache.gate.clear()
    one = engine.submit(model, [request([1], 6), request([2], 6)], make_attempt(job_id="one"))
    two = engine.submit(model, [request([3], 3)], make_attempt(job_id="two"))
    wait_until(lambda: noted == [{"one"}], "the prefill was not noted")
    model.cache.gate.set()
    assert one.wait(PATIENCE_S) and two.wait(PATIENCE_S)
    wait_until(lambda: noted[-1] == set(), "the end of all calls was not noted")
    changes = [noted[0], *(after for before, after in pairwise(noted) if after != before)]
    assert {"one", "two"} in changes and changes[-2:] == [{"one"}, set()]
    assert len(noted) == len(model.cache.calls) + 1
