"""Which requests run in which step: chunked prefill, sequences that join and leave, fairness and isolation."""

import itertools

from tests.support.attempts import make_attempt
from tests.unit.decoding.fakes import (
    FakeCache,
    FakeModel,
    RecordingSink,
    answer,
    outputs_of,
    request,
    text_of,
    texts,
)
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.sequences.prefill import MAX_CHUNK_TOKENS


def test_a_long_prompt_is_prefilled_in_chunks_between_which_the_others_decode() -> None:
    engine, model = DecodingEngine(RecordingSink()), FakeModel()
    model.cache.gate.clear()
    first = engine.submit(model, [request([1], 60)], make_attempt())
    second = engine.submit(model, [request([2] * 1000, 4)], make_attempt())
    model.cache.gate.set()
    assert texts(first) == [text_of(answer([1], 60))]
    assert texts(second) == [text_of(answer([2] * 1000, 4))]
    prefills = [
        (index, call[1]) for index, call in enumerate(model.cache.calls) if call[0] == "prefill" and call[1] > 1
    ]
    assert [size for _, size in prefills] == [1000 // 8] * 8
    later = [index for index, _ in prefills if any(call[0] == "step" for call in model.cache.calls[:index])]
    assert all(after - before == 2 for before, after in itertools.pairwise(later)), "chunks and steps must alternate"


def test_a_prompt_is_split_at_the_same_positions_whatever_else_runs() -> None:
    sizes = [5, MAX_CHUNK_TOKENS - 3, MAX_CHUNK_TOKENS, 2 * MAX_CHUNK_TOKENS + 1, 7]
    chunks = []
    for max_slots in (1, 5):
        engine, model = DecodingEngine(RecordingSink()), FakeModel(FakeCache(max_slots=max_slots))
        handles = [engine.submit(model, [request([2] * size, 9)], make_attempt()) for size in sizes]
        for handle in handles:
            outputs_of(handle)
        chunks.append(sorted(call[1] for call in model.cache.calls if call[0] == "prefill"))
    assert chunks[0] == chunks[1] == sorted([5, MAX_CHUNK_TOKENS - 3, MAX_CHUNK_TOKENS, 86, 86, 85, 7])


def test_sequences_join_and_leave_at_every_step() -> None:
    engine, model = DecodingEngine(RecordingSink()), FakeModel(FakeCache(max_slots=2))
    model.cache.gate.clear()
    long = engine.submit(model, [request([1], 20)], make_attempt())
    short = [engine.submit(model, [request([number], 2)], make_attempt()) for number in range(2, 8)]
    model.cache.gate.set()
    for handle in (*short, long):
        outputs_of(handle)
    num_steps = sum(kind == "step" for kind, _, _ in model.cache.calls)
    assert num_steps <= 20, "each short request must get the slot of the one before it while the long one runs"


def test_a_job_of_many_requests_does_not_hold_up_a_small_job() -> None:
    engine, model = DecodingEngine(RecordingSink()), FakeModel(FakeCache(max_slots=2))
    model.cache.gate.clear()
    bulk = engine.submit(model, [request([number % 50 + 1], 5) for number in range(300)], make_attempt())
    small = engine.submit(model, [request([3, 4, 5], 5)], make_attempt())
    model.cache.gate.set()
    assert texts(small) == [text_of(answer([3, 4, 5], 5))]
    assert len(outputs_of(bulk)) == 300
    prompts = [num_tokens for kind, num_tokens, _ in model.cache.calls if kind == "prefill"]
    assert prompts.index(3) <= 4, "only requests that had a slot, or were next, may run before it"


def test_a_suspect_runs_isolated_and_the_others_wait_for_their_turn() -> None:
    engine, model = DecodingEngine(RecordingSink()), FakeModel()
    model.cache.gate.clear()
    before = engine.submit(model, [request([1], 5)], make_attempt())
    isolated = engine.submit(model, [request([2], 5), request([3], 5)], make_attempt(isolated=True))
    after = engine.submit(model, [request([4], 5)], make_attempt())
    model.cache.gate.set()
    for handle, expected in ((before, [[1]]), (isolated, [[2], [3]]), (after, [[4]])):
        assert texts(handle) == [text_of(answer(ids, 5)) for ids in expected]
    assert max(held for _, _, held in model.cache.calls) <= 2, "the suspect must not share a batch with another job"


def test_two_models_take_turns() -> None:
    engine, models = DecodingEngine(RecordingSink()), [FakeModel(), FakeModel()]
    handles = [engine.submit(model, [request([8, 9], 30)], make_attempt()) for model in models]
    assert [texts(handle) for handle in handles] == [[text_of(answer([8, 9], 30))]] * 2
