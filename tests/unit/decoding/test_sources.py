"""Texts that are written from a source, alone and by search: what the loop reads, feeds and tells, in any company."""

import logging
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from tests.support.attempts import make_attempt
from tests.unit.decoding.fakes import (
    EOS,
    VOCABULARY,
    FakeEncoderDecoderCache,
    FakeModel,
    Listener,
    prompt,
    request,
    source_answer,
    source_logits,
    texts,
    written,
)
from workers.runtime.decoding.beam_search.search import BeamSearch
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Beams, Constraints, GenerationRequest, Sampling

PREFIX = [2, 9]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def engine(listener: Listener) -> DecodingEngine:
    return DecodingEngine(listener)


def ask(source: Sequence[int], num_tokens: int = 8, **changes: object) -> GenerationRequest:
    return request(PREFIX, num_tokens, source_ids=prompt(*source), **changes)


def searched(asked: GenerationRequest) -> list[list[int]]:
    """Return what a search finds that is driven by hand, every beam with a history of its own."""
    assert asked.beams is not None
    search, source = BeamSearch(asked, asked.beams), asked.source_ids.tolist()
    beams = [list(PREFIX) for _ in range(asked.beams.num_beams)]
    while not search.finished:
        found = search.advance(np.stack([source_logits(source, beam) for beam in beams]))
        beams = [[*beams[parent], token] for parent, token in zip(found.beam_idx, found.token_ids, strict=True)]
    return [list(best.token_ids)[: len(best.token_ids) - best.ended_by_eos] for best in search.hypotheses()]


def spoken(token_ids: Sequence[int]) -> str:
    """Return the text of these tokens behind a prefix."""
    model = FakeModel()
    before, whole = (model.tokenizer.decode(ids) for ids in (PREFIX, [*PREFIX, *token_ids]))
    return str(whole[len(before) :])


def test_a_text_is_written_from_its_source_behind_its_prefix(engine: DecodingEngine) -> None:
    cache = FakeEncoderDecoderCache()
    [found] = written(engine.submit(FakeModel(cache), [ask([5, 6, 7], 6)], make_attempt()))
    assert found.text == spoken(source_answer([5, 6, 7], PREFIX, 6))
    assert (found.num_tokens, found.finish_reason) == (6, "length")
    assert [call[:2] for call in cache.calls] == [("source", 3), *[("step", 1)] * 7], "two tokens of prefix, then five"


def test_a_source_is_never_cut(engine: DecodingEngine) -> None:
    cache = FakeEncoderDecoderCache(max_source_tokens=1000)
    sources = [[3] * 700, [4] * 900]
    asked = [ask(source, 3, input=number) for number, source in enumerate(sources)]
    assert texts(engine.submit(FakeModel(cache), asked, make_attempt())) == [
        spoken(source_answer(source, PREFIX, 3)) for source in sources
    ]
    assert [call[1] for call in cache.calls if call[0] == "source"] == [700, 900]


@pytest.mark.parametrize("num_beams", [2, 3, 4])
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_beams_find_what_a_search_by_hand_finds(engine: DecodingEngine, num_beams: int, early_stopping: bool) -> None:
    for seed in range(8):
        beams = Beams(num_beams, num_return_sequences=num_beams, early_stopping=early_stopping)
        asked = ask([seed, 40], 9, beams=beams, eos_token_ids=frozenset({EOS, 11, 12}))
        found = written(engine.submit(FakeModel(FakeEncoderDecoderCache()), [asked], make_attempt()))
        assert [text.text for text in found] == [spoken(token_ids) for token_ids in searched(asked)]
        assert all(text.request is asked for text in found)


def test_answers_do_not_depend_on_company(engine: DecodingEngine) -> None:
    """Greedy texts, drawn ones and searches of all ages come and go; each answers what it answers alone."""
    numbers = random.Random(7)
    eos = frozenset({EOS, 11})
    asked = [
        ask([numbers.randrange(VOCABULARY) for _ in range(numbers.randrange(1, 30))], numbers.randrange(1, 20), **extra)
        for extra in numbers.choices(
            [
                {},
                {"eos_token_ids": eos},
                {"sampling": Sampling(do_sample=True, seed=3)},
                {"beams": Beams(2), "eos_token_ids": eos},
                {"beams": Beams(3, num_return_sequences=2, length_penalty=0.5), "eos_token_ids": eos},
                {"beams": Beams(4, early_stopping=True), "eos_token_ids": eos},
            ],
            k=60,
        )
    ]
    isolated = [texts(engine.submit(FakeModel(FakeEncoderDecoderCache()), [one], make_attempt())) for one in asked]
    cache = FakeEncoderDecoderCache(max_slots=6)
    model = FakeModel(cache)
    handles = [engine.submit(model, [one], make_attempt()) for one in asked]
    assert [texts(handle) for handle in handles] == isolated
    assert cache.peak == 6, "they did share steps"
    assert not cache.held


def test_a_search_waits_for_all_its_places_and_is_not_overtaken(engine: DecodingEngine) -> None:
    cache = FakeEncoderDecoderCache(max_slots=4)
    model = FakeModel(cache)
    cache.gate.clear()
    first = engine.submit(model, [ask([1], 30)], make_attempt())
    search = engine.submit(model, [ask([2], 4, beams=Beams(4))], make_attempt())
    late = engine.submit(model, [ask([3], 4)], make_attempt())
    cache.gate.set()
    assert texts(search) and texts(first) and texts(late)
    sources = [number for number, call in enumerate(cache.calls) if call[0] == "source"]
    assert [cache.calls[number][2] for number in sources] == [1, 4, 1], "each began when the one before it had ended"


def test_a_streamed_search_tells_its_texts_at_their_end(engine: DecodingEngine, listener: Listener) -> None:
    attempt = make_attempt()
    asked = ask([8], 6, beams=Beams(3, num_return_sequences=2), stream=True, input=4)
    found = written(engine.submit(FakeModel(FakeEncoderDecoderCache()), [asked], attempt))
    assert listener.pieces(attempt) == [
        TextDelta(input=4, sequence=number, text=text.text, finish_reason=text.finish_reason)
        for number, text in enumerate(found)
    ]


def test_a_poisoned_beam_or_source_fails_its_job_alone(
    engine: DecodingEngine, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FakeEncoderDecoderCache(max_slots=8)
    model = FakeModel(cache)
    good, search = ask([20], 12), ask([21], 12, beams=Beams(4))
    expected = texts(engine.submit(FakeModel(FakeEncoderDecoderCache()), [good], make_attempt()))
    cache.poisoned = {60}
    cache.gate.clear()
    with caplog.at_level(logging.CRITICAL):
        bad_source = engine.submit(model, [ask([60], 5)], make_attempt())
        bad_prefix = engine.submit(model, [replace(search, prompt_ids=prompt(2, 60))], make_attempt())
        fine = engine.submit(model, [good], make_attempt())
        cache.gate.set()
        assert texts(fine) == expected
        for handle in (bad_source, bad_prefix):
            with pytest.raises(TriptychError):
                written(handle)
    assert not cache.held


def test_a_search_gives_as_many_texts_as_are_wanted_where_fewer_are_possible(engine: DecodingEngine) -> None:
    only = Constraints(suppress_tokens=tuple(range(1, VOCABULARY)))
    asked = ask([5], 3, beams=Beams(4, num_return_sequences=3), sampling=Sampling(constraints=only))
    assert (
        texts(engine.submit(FakeModel(FakeEncoderDecoderCache()), [asked], make_attempt())) == [spoken([0, 0, 0])] * 3
    )


class Numbered:
    """Tells every piece twice, with its order's part before it."""

    def transform(self, request: GenerationRequest, delta: TextDelta) -> list[TextDelta]:
        return [TextDelta(text=f"{request.part}:"), delta]


def test_a_job_decides_what_is_told_of_its_pieces(engine: DecodingEngine, listener: Listener) -> None:
    attempt = make_attempt()
    asked = [ask([part], 2, part=part, stream=True) for part in range(2)]
    handle = engine.submit(FakeModel(FakeEncoderDecoderCache()), asked, attempt, Numbered())
    written(handle)
    told = [piece.text for piece in listener.pieces(attempt)]
    assert told.count("0:") == told.count("1:") == 2
    assert (handle.num_parts, handle.num_done) == (2, 2)
