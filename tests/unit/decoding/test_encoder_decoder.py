"""Encoder-decoders and beam searches in the decoding engine: what is encoded, fed and emitted, in any batch."""

import logging
import random
from collections.abc import Collection, Sequence
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
    RecordingSink,
    outputs_of,
    prompt,
    request,
    source_answer,
    source_logits,
    texts,
)
from workers.runtime.decoding.beam_search.search import BeamSearch
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Beams, Constraints, GenerationRequest, Ids, Sampling

PREFIX = [2, 9]


def source_request(source: Sequence[int], num_tokens: int = 8, **changes: object) -> GenerationRequest:
    return request(PREFIX, num_tokens, source_ids=prompt(*source), **changes)


def expected_beams(search_request: GenerationRequest) -> list[list[int]]:
    """Return the tokens of the hypotheses that a beam search without the engine finds."""
    assert search_request.beams is not None
    search, source = BeamSearch(search_request, search_request.beams), search_request.source_ids.tolist()
    beams = [list(PREFIX) for _ in range(search_request.beams.num_beams)]
    while not search.finished:
        onward = search.advance(np.stack([source_logits(source, beam) for beam in beams]))
        beams = [[*beams[index], token] for index, token in zip(onward.beam_idx, onward.token_ids, strict=True)]
    return [list(each.token_ids)[: len(each.token_ids) - each.ended_by_eos] for each in search.hypotheses()]


def text_after_prefix(token_ids: Sequence[int]) -> str:
    """Return the text of tokens that follow the prefix."""
    model = FakeModel()
    before, whole = (model.tokenizer.decode(ids) for ids in (PREFIX, [*PREFIX, *token_ids]))
    return str(whole[len(before) :])


def test_a_text_is_generated_from_its_source_after_its_prefix(engine: DecodingEngine) -> None:
    cache = FakeEncoderDecoderCache()
    [found] = outputs_of(engine.submit(FakeModel(cache), [source_request([5, 6, 7], 6)], make_attempt()))
    assert found.text == text_after_prefix(source_answer([5, 6, 7], PREFIX, 6))
    assert (found.num_tokens, found.finish_reason) == (6, "length")
    assert [call[:2] for call in cache.calls] == [("source", 3), *[("step", 1)] * 7], "two of the prefix, then five"


def test_a_source_is_never_split(engine: DecodingEngine) -> None:
    cache = FakeEncoderDecoderCache(max_source_tokens=1000)
    sources = [[3] * 700, [4] * 900]
    requests = [source_request(source, 3, input=number) for number, source in enumerate(sources)]
    assert texts(engine.submit(FakeModel(cache), requests, make_attempt())) == [
        text_after_prefix(source_answer(source, PREFIX, 3)) for source in sources
    ]
    assert [call[1] for call in cache.calls if call[0] == "source"] == [700, 900]


@pytest.mark.parametrize("num_beams", [2, 3, 4])
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_beams_find_what_a_search_without_the_engine_finds(
    engine: DecodingEngine, num_beams: int, early_stopping: bool
) -> None:
    for seed in range(8):
        beams = Beams(num_beams, num_return_sequences=num_beams, early_stopping=early_stopping)
        search = source_request([seed, 40], 9, beams=beams, eos_token_ids=frozenset({EOS, 11, 12}))
        found = outputs_of(engine.submit(FakeModel(FakeEncoderDecoderCache()), [search], make_attempt()))
        assert [text.text for text in found] == [text_after_prefix(token_ids) for token_ids in expected_beams(search)]
        assert all(text.request is search for text in found)


def test_outputs_do_not_depend_on_the_composition_of_their_batch(engine: DecodingEngine) -> None:
    """Greedy, sampled and beam search requests share steps, and each has the output that it has when isolated."""
    numbers = random.Random(7)
    eos = frozenset({EOS, 11})
    requests = [
        source_request(
            [numbers.randrange(VOCABULARY) for _ in range(numbers.randrange(1, 30))], numbers.randrange(1, 20), **extra
        )
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
    isolated = [texts(engine.submit(FakeModel(FakeEncoderDecoderCache()), [each], make_attempt())) for each in requests]
    cache = FakeEncoderDecoderCache(max_slots=6)
    model = FakeModel(cache)
    handles = [engine.submit(model, [each], make_attempt()) for each in requests]
    assert [texts(handle) for handle in handles] == isolated
    assert cache.peak == 6, "the requests did not share steps"
    assert not cache.held


def test_a_search_waits_for_all_its_slots_and_is_not_overtaken(engine: DecodingEngine) -> None:
    cache = FakeEncoderDecoderCache(max_slots=4)
    model = FakeModel(cache)
    cache.gate.clear()
    first = engine.submit(model, [source_request([1], 30)], make_attempt())
    search = engine.submit(model, [source_request([2], 4, beams=Beams(4))], make_attempt())
    late = engine.submit(model, [source_request([3], 4)], make_attempt())
    cache.gate.set()
    assert texts(search) and texts(first) and texts(late)
    sources = [number for number, call in enumerate(cache.calls) if call[0] == "source"]
    assert [cache.calls[number][2] for number in sources] == [1, 4, 1], (
        "each request must start only when the one before it is finished"
    )


def test_a_streamed_search_emits_its_texts_at_the_end(engine: DecodingEngine, sink: RecordingSink) -> None:
    attempt = make_attempt()
    search = source_request([8], 6, beams=Beams(3, num_return_sequences=2), stream=True, input=4)
    found = outputs_of(engine.submit(FakeModel(FakeEncoderDecoderCache()), [search], attempt))
    assert sink.deltas_of(attempt) == [
        TextDelta(input=4, sequence=number, text=text.text, finish_reason=text.finish_reason)
        for number, text in enumerate(found)
    ]


def test_a_failing_beam_or_source_fails_only_its_job(engine: DecodingEngine, caplog: pytest.LogCaptureFixture) -> None:
    cache = FakeEncoderDecoderCache(max_slots=8)
    model = FakeModel(cache)
    good, search = source_request([20], 12), source_request([21], 12, beams=Beams(4))
    expected = texts(engine.submit(FakeModel(FakeEncoderDecoderCache()), [good], make_attempt()))
    cache.poisoned = {60}
    cache.gate.clear()
    with caplog.at_level(logging.CRITICAL):
        bad_source = engine.submit(model, [source_request([60], 5)], make_attempt())
        bad_prefix = engine.submit(model, [replace(search, prompt_ids=prompt(2, 60))], make_attempt())
        fine = engine.submit(model, [good], make_attempt())
        cache.gate.set()
        assert texts(fine) == expected
        for handle in (bad_source, bad_prefix):
            with pytest.raises(TriptychError):
                outputs_of(handle)
    assert not cache.held


def test_a_search_returns_the_requested_number_of_texts_even_if_fewer_are_possible(engine: DecodingEngine) -> None:
    only = Constraints(suppress_tokens=tuple(range(1, VOCABULARY)))
    search = source_request([5], 3, beams=Beams(4, num_return_sequences=3), sampling=Sampling(constraints=only))
    assert (
        texts(engine.submit(FakeModel(FakeEncoderDecoderCache()), [search], make_attempt()))
        == [text_after_prefix([0, 0, 0])] * 3
    )


class PartNumbers:
    """Emits the number of a delta's part before the delta."""

    def transform(self, request: GenerationRequest, delta: TextDelta) -> list[TextDelta]:
        return [TextDelta(text=f"{request.part}:"), delta]


def test_a_job_can_transform_its_deltas(engine: DecodingEngine, sink: RecordingSink) -> None:
    attempt = make_attempt()
    requests = [source_request([part], 2, part=part, stream=True) for part in range(2)]
    handle = engine.submit(FakeModel(FakeEncoderDecoderCache()), requests, attempt, PartNumbers())
    outputs_of(handle)
    emitted = [delta.text for delta in sink.deltas_of(attempt)]
    assert emitted.count("0:") == emitted.count("1:") == 2
    assert (handle.num_parts, handle.num_done) == (2, 2)


class NoteCheckingCache(FakeEncoderDecoderCache):
    """Compares the note of each call with the jobs whose sources, which begin with their number, are in it."""

    def __init__(self) -> None:
        super().__init__(max_slots=12)
        self.noted: set[str] = set()
        self.compared: list[tuple[set[str], set[str]]] = []

    def note(self, job_ids: Collection[str]) -> None:
        self.noted = set(job_ids)

    def encode(self, slots: Sequence[int], source_ids: Ids) -> None:
        self.compared.append((self.noted, {str(source_ids[0])}))
        super().encode(slots, source_ids)

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        self.compared.append((self.noted, {str(self.sources[slot][0]) for slot in slots}))
        return super().step(slots, token_ids)


def test_the_note_names_exactly_the_jobs_of_each_call_of_encoder_and_decoder() -> None:
    """Suspects, beams and single texts: whoever is in a call is blamed if it ends the process, and nobody else."""
    cache = NoteCheckingCache()
    engine = DecodingEngine(RecordingSink(), cache.note)
    model = FakeModel(cache)
    cache.gate.clear()
    handles = []
    for job, (group, beams, num_tokens) in enumerate(
        [("a", 1, 9), ("", 3, 12), ("b", 2, 7), ("", 1, 5), ("a", 2, 15), ("", 1, 20)], start=1
    ):
        search = Beams(beams) if beams > 1 else None
        wanted = source_request([job, 7, 8], num_tokens, beams=search)
        handles.append(engine.submit(model, [wanted], make_attempt(job_id=str(job), group=group)))
    cache.gate.set()
    for handle in handles:
        outputs_of(handle)
    assert all(noted == in_call for noted, in_call in cache.compared)
    together = [in_call for _, in_call in cache.compared if len(in_call) > 1]
    assert together and all(in_call <= {"1", "5"} or in_call <= {"2", "4", "6"} for in_call in together)
