"""Which requests run in which step: chunked prefill, sequences that join and leave, fairness and isolation."""

import itertools
import threading
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
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
from workers.runtime.decoding.engine import MAX_UNSTARTED, DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.scheduling import admission as admission_module
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


class CallsByJob:
    """An engine whose cache notes which jobs are in each call."""

    def __init__(self, max_slots: int = 8) -> None:
        self.noted: set[str] = set()
        self.calls: list[tuple[str, frozenset[str]]] = []
        """(prefill or step, ids of the jobs that were noted when it ran)."""
        self.engine = DecodingEngine(RecordingSink(), self._note)
        self.model = FakeModel(FakeCache(max_slots=max_slots))
        cache: Any = self.model.cache
        cache._note = self._record
        self.gate = threading.Event()

    def submit(self, job_id: str, prompts: Sequence[int], num_tokens: int, group: str = "") -> GenerationHandle:
        requests = [request([number], num_tokens) for number in prompts]
        return self.engine.submit(self.model, requests, make_attempt(job_id=job_id, group=group))

    def steps(self) -> list[frozenset[str]]:
        return [jobs for kind, jobs in self.calls if kind == "step"]

    def last_call_of(self, job_id: str) -> int:
        return max(number for number, (_, jobs) in enumerate(self.calls) if job_id in jobs)

    def _note(self, job_ids: Collection[str]) -> None:
        self.noted = set(job_ids)

    def _record(self, kind: str, num_tokens: int) -> None:
        assert self.gate.wait(PATIENCE_S)
        self.calls.append((kind, frozenset(self.noted)))


def test_suspects_share_calls_with_those_of_their_group_only_and_all_go_on_side_by_side() -> None:
    run = CallsByJob()
    handles = [
        run.submit("a1", [2, 3], 20, "a"),
        run.submit("b1", [4], 20, "b"),
        run.submit("a2", [5], 20, "a"),
        run.submit("plain", [1], 20),
        run.submit("other", [6], 20),
    ]
    run.gate.set()
    expected = [[2, 3], [4], [5], [1], [6]]
    assert [texts(handle) for handle in handles] == [[text_of(answer([n], 20)) for n in each] for each in expected]
    circles = [{"plain", "other"}, {"a1", "a2"}, {"b1"}]
    for _, jobs in run.calls:
        assert jobs and any(jobs <= circle for circle in circles), f"{set(jobs)} shared a model call"
    steps = run.steps()
    assert all(frozenset(circle) in steps for circle in circles), "those of a circle must share their steps"
    half = steps[: len(steps) // 2]
    plain, *groups = (sum(jobs <= circle for jobs in half) for circle in circles)
    assert abs(plain - sum(groups)) <= 2, "the others have every second call"
    assert max(groups) - min(groups) <= 2, "groups of suspects take turns"


def test_suspects_leave_half_of_the_slots_to_others_and_are_not_overtaken_for_ever() -> None:
    run = CallsByJob(max_slots=4)
    first = run.submit("first", [1], 1)
    wait_until(lambda: first.has_started, "nothing runs")  # so that the engine finds all others at one step
    suspects = [run.submit(f"suspect{number}", [number + 1], 60, f"group{number % 2}") for number in range(6)]
    crowd = run.submit("crowd", [number % 60 + 1 for number in range(400)], 3)
    small = run.submit("small", [7], 3)
    run.gate.set()
    for handle in (small, *suspects, crowd):
        outputs_of(handle)
    first_suspects = [run.last_call_of(f"suspect{number}") for number in range(2)]
    assert run.last_call_of("small") < min(first_suspects), "the suspects must not keep others out of the slots"
    assert max(first_suspects) < run.last_call_of("crowd"), "others must not keep suspects out of the slots"


def test_a_suspect_waits_for_those_before_it_and_not_for_those_after_it() -> None:
    """If it ends the worker, all others lose what they have generated."""
    run = CallsByJob(max_slots=8)
    before = [run.submit(f"before{number}", [1], 20) for number in range(2)]
    suspect = run.submit("suspect", [2], 20, "group")
    after = [run.submit(f"after{number}", [3], 100) for number in range(3)]
    run.engine.cancel(before[1])
    run.gate.set()
    for handle in (before[0], suspect, *after):
        outputs_of(handle)
    first = next(index for index, (_, jobs) in enumerate(run.calls) if "suspect" in jobs)
    assert not any("before0" in jobs for _, jobs in run.calls[first:])
    assert run.last_call_of("suspect") < run.last_call_of("after0")


def test_a_suspect_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_module, "MAX_SUSPECT_WAIT_S", 0.0)
    run = CallsByJob(max_slots=8)
    before = run.submit("before", [1], 2000)
    suspect = run.submit("suspect", [2], 20, "group")
    run.gate.set()
    for handle in (suspect, before):
        outputs_of(handle)
    assert run.last_call_of("suspect") < run.last_call_of("before")


def test_two_models_take_turns() -> None:
    engine, models = DecodingEngine(RecordingSink()), [FakeModel(), FakeModel()]
    handles = [engine.submit(model, [request([8, 9], 30)], make_attempt()) for model in models]
    assert [texts(handle) for handle in handles] == [[text_of(answer([8, 9], 30))]] * 2


def test_the_engine_wants_jobs_until_some_wait_that_nothing_has_started_of() -> None:
    engine, model = DecodingEngine(RecordingSink()), FakeModel(FakeCache(max_slots=2))
    wanted = threading.Event()
    engine.when_wanted(wanted.set)
    model.cache.gate.clear()
    large = engine.submit(model, [request([1], 40) for _ in range(50)], make_attempt())
    wait_until(lambda: large.has_started, "the large job does not start")
    assert engine.num_wanted() == MAX_UNSTARTED, "a job that has started keeps nobody away"
    small = [engine.submit(model, [request([2], 3)], make_attempt()) for _ in range(MAX_UNSTARTED)]
    assert engine.num_wanted() == 0
    wanted.clear()
    model.cache.gate.set()
    assert wanted.wait(PATIENCE_S), "nobody hears that there is room"
    for handle in small:
        outputs_of(handle)
    assert engine.num_wanted() == MAX_UNSTARTED and not large.finished
    engine.cancel(large)
