"""The decoding loop: what each text answers and tells, and what a failure, a cancel or a deaf audience costs."""

import gc
import logging
import math
import random
import threading
import weakref
from collections.abc import Iterator

import pytest

from contracts.errors import OutOfMemory, TriptychError
from contracts.figures import GenerationFigures
from contracts.generation import TextDelta
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.decoding.fakes import (
    EOS,
    FakeCache,
    FakeModel,
    Listener,
    answer,
    request,
    text_of,
    texts,
    written,
)
from workers.runtime.attempts.attempt import AttemptStopped
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Sampling


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def engine(listener: Listener) -> DecodingEngine:
    return DecodingEngine(listener)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Failures are meant here, and logged."""
    with caplog.at_level(logging.CRITICAL):
        yield


# -- what is answered -------------------------------------------------------------------------------------------------


def generation(engine: DecodingEngine) -> GenerationFigures:
    figures = engine.figures().generation
    assert figures is not None
    return figures


def test_a_text_is_written_token_by_token(engine: DecodingEngine, model: FakeModel) -> None:
    handle = engine.submit(model, [request([3, 4, 5], 6)], make_attempt())
    (text,) = written(handle)
    assert text.text == text_of(answer([3, 4, 5], 6))
    assert (text.finish_reason, text.num_tokens, text.tokens) == ("length", 6, [])
    assert math.isnan(text.mean_logprob)
    assert model.cache.held == {}
    assert [call[:2] for call in model.cache.calls] == [("prefill", 3)] + [("step", 1)] * 5


def test_an_end_token_ends_the_text_and_is_counted_but_not_shown(engine: DecodingEngine, model: FakeModel) -> None:
    whole = answer([9], 30)
    last = whole[7]
    expected = whole[: whole.index(last)]
    (text,) = written(engine.submit(model, [request([9], 30, eos_token_ids=frozenset({last, EOS}))], make_attempt()))
    assert (text.text, text.finish_reason, text.num_tokens) == (text_of(expected), "eos_token", len(expected) + 1)


def test_a_stop_text_ends_it_across_tokens_and_is_not_shown(engine: DecodingEngine, model: FakeModel) -> None:
    whole = answer([2, 2], 12)
    stop = text_of(whole)[len(text_of(whole[:4])) - 1 : len(text_of(whole[:6])) - 1]
    handle = engine.submit(model, [request([2, 2], 12, stop_strings=(stop,))], make_attempt())
    (text,) = written(handle)
    assert text.text == text_of(whole).partition(stop)[0]
    assert text.finish_reason == "stop_sequence" and text.num_tokens <= 6
    assert model.cache.held == {}


def test_details_name_every_token_with_its_log_probability(engine: DecodingEngine, model: FakeModel) -> None:
    (text,) = written(engine.submit(model, [request([5], 4, logprobs=True, top_n_tokens=3)], make_attempt()))
    expected = 5 - math.log(math.exp(5) + 63)
    assert [token.id for token in text.tokens] == answer([5], 4)
    assert [token.logprob for token in text.tokens] == pytest.approx([expected] * 4, abs=1e-5)
    assert [next(top.id for top in tops) for tops in text.top_tokens] == answer([5], 4)
    assert [len(tops) for tops in text.top_tokens] == [3] * 4
    assert text.mean_logprob == pytest.approx(expected, abs=1e-5)


def test_what_a_text_says_never_depends_on_its_company(listener: Listener) -> None:
    """Random arrivals, lengths, seeds and ends, against each text alone."""
    chance = random.Random(20261121)
    requests = [
        request(
            [chance.randrange(1, 60) for _ in range(chance.randrange(1, 150))],
            chance.randrange(1, 40),
            sampling=Sampling(
                do_sample=chance.random() < 0.5,
                temperature=chance.choice([0.7, 1.0, 3.0]),
                top_k=chance.choice([0, 5]),
                top_p=chance.choice([1.0, 0.8]),
                seed=chance.randrange(2**63),
                repetition_penalty=chance.choice([1.0, 1.3]),
                frequency_penalty=chance.choice([0.0, 0.5]),
            ),
            eos_token_ids=frozenset(chance.sample(range(60), chance.randrange(3))),
            logprobs=chance.random() < 0.3,
        )
        for _ in range(60)
    ]
    isolated = [
        written(DecodingEngine(listener).submit(FakeModel(FakeCache(max_slots=1)), [its], make_attempt()))[0]
        for its in requests
    ]
    engine, model = DecodingEngine(listener), FakeModel(FakeCache(max_slots=7))
    handles = []
    for its in requests:
        handles.append(engine.submit(model, [its], make_attempt()))
        if chance.random() < 0.3:  # let some get on before others arrive
            handles[chance.randrange(len(handles))].wait(PATIENCE_S)
    together = [written(handle)[0] for handle in handles]
    assert [(text.text, text.finish_reason, text.num_tokens) for text in together] == [
        (text.text, text.finish_reason, text.num_tokens) for text in isolated
    ]
    assert [text.tokens for text in together] == [text.tokens for text in isolated]
    assert model.cache.peak == 7 and model.cache.held == {}


def test_many_texts_of_one_job_come_back_in_order(engine: DecodingEngine, model: FakeModel) -> None:
    attempt = make_attempt()
    prompts = [[number, number + 1] for number in range(1, 21)]
    handle = engine.submit(model, [request(ids, 3, input=index // 2) for index, ids in enumerate(prompts)], attempt)
    assert texts(handle) == [text_of(answer(ids, 3)) for ids in prompts]
    assert handle.num_done == 10, "progress counts inputs, of which each has two texts here"
    assert model.cache.peak == model.cache.max_slots


def test_a_job_without_texts_is_done(engine: DecodingEngine, model: FakeModel) -> None:
    assert written(engine.submit(model, [], make_attempt())) == []


# -- what is told -----------------------------------------------------------------------------------------------------


def test_a_streamed_text_is_told_piece_by_piece_and_others_are_only_looked_at(
    engine: DecodingEngine, model: FakeModel, listener: Listener
) -> None:
    streamed, silent = make_attempt(), make_attempt()
    handles = [
        engine.submit(model, [request([6], 5, stream=True, logprobs=True, input=2, sequence=1)], streamed),
        engine.submit(model, [request([7], 5)], silent),
    ]
    for handle in handles:
        written(handle)
    wait_until(lambda: len(listener.pieces(streamed)) == 5, "five tokens are five pieces")
    pieces = listener.pieces(streamed)
    assert "".join(piece.text for piece in pieces) == text_of(answer([6], 5))
    assert [token.id for piece in pieces for token in piece.tokens] == answer([6], 5)
    assert [piece.finish_reason for piece in pieces] == [None] * 4 + ["length"]
    assert all((piece.input, piece.sequence) == (2, 1) for piece in pieces)
    assert all(-5 < token.logprob <= 0 for piece in pieces for token in piece.tokens)
    assert listener.pieces(silent) == []
    assert any(silent in deltas for deltas in listener.heard), "without that, nobody finds out that it was cancelled"


def test_the_first_token_is_told_before_the_step_that_follows(model: FakeModel) -> None:
    told_before_step = []

    class Watching(Listener):
        def emit(self, deltas: dict[object, list[TextDelta]]) -> None:  # type: ignore[override]
            told_before_step.append((sum(map(len, deltas.values())), model.cache.calls[-1][0]))

    engine = DecodingEngine(Watching())
    written(engine.submit(model, [request([6], 3, stream=True)], make_attempt()))
    assert told_before_step[0] == (1, "prefill")


def test_an_audience_that_fails_ends_jobs_but_not_the_engine(
    engine: DecodingEngine, model: FakeModel, listener: Listener, quiet: None
) -> None:
    listener.broken = True
    handle = engine.submit(model, [request([6], 5, stream=True)], make_attempt())
    assert handle.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        handle.results()
    listener.broken = False
    assert texts(engine.submit(model, [request([6], 5)], make_attempt())) == [text_of(answer([6], 5))]


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_job_that_must_stop_leaves_within_a_step(engine: DecodingEngine, model: FakeModel) -> None:
    attempt = make_attempt()
    model.cache.gate.clear()
    running = engine.submit(model, [request([1], 4000), request([2], 4000)], attempt)
    wait_until(lambda: model.cache.peak == 2, "both texts have a place, and the first is being read")
    company = engine.submit(model, [request([3], 500)], make_attempt())
    attempt.stop()
    model.cache.gate.set()
    assert running.wait(PATIENCE_S)
    with pytest.raises(AttemptStopped):
        running.results()
    assert texts(company) == [text_of(answer([3], 500))]
    assert model.cache.held == {}
    assert sum(kind == "step" and rows > 1 for kind, rows, _ in model.cache.calls) <= 1


def test_a_cancelled_ticket_leaves_whether_it_waits_or_runs(listener: Listener) -> None:
    engine, model = DecodingEngine(listener), FakeModel(FakeCache(max_slots=1))
    running = engine.submit(model, [request([1], 4000)], make_attempt())
    waiting = engine.submit(model, [request([2], 4000)], make_attempt())
    wait_until(lambda: model.cache.calls, "the first runs")
    engine.cancel(waiting)
    engine.cancel(running)
    assert texts(engine.submit(model, [request([3], 5)], make_attempt())) == [text_of(answer([3], 5))]
    assert not running.finished and not waiting.finished
    figures = generation(engine)
    assert (figures.rows_running, figures.rows_waiting, figures.cache_tokens) == (0, 0, 0)


def test_a_step_that_fails_ends_only_the_job_that_makes_it_fail(
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


def test_a_prompt_that_can_not_be_read_ends_all_texts_of_its_job(
    engine: DecodingEngine, model: FakeModel, quiet: None
) -> None:
    model.cache.poisoned = {33}
    culprit = engine.submit(model, [request([1], 500), request([33], 5), request([2], 500)], make_attempt())
    other = engine.submit(model, [request([4], 5)], make_attempt())
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()
    assert texts(other) == [text_of(answer([4], 5))]
    assert model.cache.held == {}


def test_logits_that_are_no_numbers_end_only_their_job(engine: DecodingEngine, model: FakeModel, quiet: None) -> None:
    model.cache.poisoned = {-40}
    culprit = engine.submit(model, [request([40], 5)], make_attempt())
    other = engine.submit(model, [request([4], 5)], make_attempt())
    assert texts(other) == [text_of(answer([4], 5))]
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_memory_that_runs_out_is_told_as_such(
    engine: DecodingEngine, model: FakeModel, quiet: None, error: BaseException
) -> None:
    def prefill(*_: object) -> None:
        raise error

    model.cache.prefill = prefill  # type: ignore[assignment, method-assign]
    handle = engine.submit(model, [request([1], 5)], make_attempt())
    assert handle.wait(PATIENCE_S)
    with pytest.raises(OutOfMemory):
        handle.results()


# -- what is counted --------------------------------------------------------------------------------------------------


def test_tokens_times_and_room_are_counted(engine: DecodingEngine, model: FakeModel) -> None:
    engine.register(model)
    assert generation(engine).cache_max_tokens == model.cache.capacity_tokens
    handle = engine.submit(model, [request([1, 2, 3], 5)], make_attempt())
    written(handle)
    wait_until(lambda: not generation(engine).rows_running, "its row leaves")
    figures = generation(engine)
    assert (figures.tokens_in, figures.tokens_out) == (3, 5)
    assert (sum(figures.first_token.counts), sum(figures.token_gap.counts)) == (1, 4)
    assert 0 < figures.token_gap.sum_s < PATIENCE_S
    assert (engine.figures().num_batches, engine.figures().num_rows, engine.figures().real_length) == (5, 5, 7)
    assert 0 < handle.wait_s <= handle.first_token_s and handle.infer_s > 0
    assert engine.figures().busy_since is None


def test_a_call_that_runs_can_be_watched(engine: DecodingEngine, model: FakeModel) -> None:
    model.cache.gate.clear()
    handle = engine.submit(model, [request([1], 1)], make_attempt())
    wait_until(lambda: engine.figures().busy_since is not None, "the watchdog sees no model call")
    model.cache.gate.set()
    written(handle)


def test_a_model_that_nobody_uses_is_let_go(engine: DecodingEngine) -> None:
    model = FakeModel()
    gone = weakref.ref(model)
    engine.register(model)
    written(engine.submit(model, [request([1], 3)], make_attempt()))
    del model

    def collected() -> bool:
        gc.collect()
        return gone() is None

    wait_until(collected, "the engine holds a model that nobody uses")
    assert generation(engine).cache_max_tokens == 0


def test_the_thread_of_the_engine_ends_with_the_process() -> None:
    DecodingEngine(Listener())
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "inference")
