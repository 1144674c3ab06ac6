"""Nobody waits for the end of texts or searches of others that have all slots: a newcomer enters at the second step."""

import pytest

from contracts.jobs import OPEN_TENANT, Lane
from tests.unit.decoding.fakes import FakeEncoderDecoderCache, answer, outputs_of, prompt, request, text_of, texts
from tests.unit.decoding.steps import LONG, Steps
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.request import Beams
from workers.runtime.decoding.scheduling import paused_groups as paused_module
from workers.runtime.decoding.scheduling.paused_groups import MIN_TOKENS

SLOTS = 4


def search(run: Steps, first: int, num_beams: int = SLOTS, tenant: str = "a") -> GenerationHandle:
    beams = Beams(num_beams, num_return_sequences=num_beams)
    of_cache = {"source_ids": prompt(first, 5)} if isinstance(run.cache, FakeEncoderDecoderCache) else {}
    return run.submit("default", request([first], 50, beams=beams, **of_cache), tenant=tenant)


def newcomer(run: Steps, lane: Lane = "default", tenant: str = "b", num_tokens: int = 3) -> GenerationHandle:
    of_cache = {"source_ids": prompt(9, 5)} if isinstance(run.cache, FakeEncoderDecoderCache) else {}
    return run.submit(lane, request([9], num_tokens, **of_cache), tenant=tenant)


@pytest.mark.parametrize("lane", ["interactive", "default"])
@pytest.mark.parametrize("kind", ["decoder", "seq2seq"])
def test_a_newcomer_does_not_wait_for_a_search_with_as_many_beams_as_slots(kind: str, lane: Lane) -> None:
    found = []
    for comes in (False, True):
        run = Steps(FakeEncoderDecoderCache(max_slots=SLOTS) if kind == "seq2seq" else None, max_slots=SLOTS)
        searches = [search(run, number) for number in range(1, 6)]
        run.step(10)
        assert run.prompts == [1] * SLOTS
        if comes:
            other = newcomer(run, lane)
            run.step(2)
            assert other.has_started and run.metrics.pauses == 1
            run.finish(other)
            assert not any(handle.finished for handle in searches)
        run.finish(*searches)
        found.append([(output.text, output.mean_logprob) for each in searches for output in outputs_of(each)])
        assert run.memory.used_bytes == 0
    assert found[0] == found[1]


def test_searches_of_one_tenant_use_all_slots_and_one_of_them_gives_way() -> None:
    run = Steps(max_slots=SLOTS)
    searches = [search(run, number, 2) for number in range(1, 5)]
    run.step(10)
    assert run.prompts == [1, 1, 2, 2]
    other = newcomer(run)
    run.step(2)
    assert other.has_started and run.metrics.pauses == 1
    run.finish(other, *searches)


def test_a_newcomer_does_not_wait_for_several_tenants_that_have_all_slots() -> None:
    run = Steps(max_slots=SLOTS)
    texts_of_a = run.submit("default", *(request([1], LONG) for _ in range(10)), tenant="a")
    run.submit("default", request([2], LONG), tenant="c")
    run.step(10)
    assert run.prompts == [1, 1, 1, 2]
    other = newcomer(run)
    run.step(2)
    assert other.has_started and run.prompts == [1, 1, 2, 9]
    run.finish(other, texts_of_a)
    assert texts(texts_of_a) == [text_of(answer([1], LONG))] * 10


@pytest.mark.parametrize(("running", "waiting", "enters"), [
    ("bulk", "default", True), ("default", "interactive", True), ("bulk", "interactive", True),
    ("default", "default", False), ("interactive", "default", False), ("default", "bulk", False),
])  # fmt: skip
def test_of_one_tenant_texts_give_way_to_a_newcomer_in_a_more_urgent_lane(
    running: Lane, waiting: Lane, enters: bool
) -> None:
    run = Steps(max_slots=SLOTS)
    run.submit(running, *(request([1], LONG) for _ in range(SLOTS)), tenant=OPEN_TENANT)
    run.step(10)
    other = newcomer(run, waiting, OPEN_TENANT)
    run.step(2)
    assert other.has_started is enters


def test_nothing_gives_way_to_more_than_the_first_text_of_a_flow_that_is_not_interactive() -> None:
    run = Steps(max_slots=SLOTS)
    run.bulk([1], [1], [1], [1])
    run.step(10)
    run.submit("default", *(request([9], LONG) for _ in range(5)))
    run.step(30)
    assert run.prompts == [1, 1, 1, 9]


def test_nobody_gives_way_to_bulk_or_to_one_who_would_have_as_much() -> None:
    run = Steps(max_slots=SLOTS)
    first = search(run, 1)
    run.step(10)
    bulk, large = newcomer(run, "bulk"), search(run, 3, tenant="c")
    run.step(20)
    assert run.prompts == [1] * SLOTS and not run.saved
    run.finish(first, bulk, large)


def test_a_newcomer_that_nobody_gives_way_to_does_not_hold_up_an_interactive_request() -> None:
    run = Steps(max_slots=SLOTS)
    run.bulk([1], [1], [1])
    run.interactive([8], LONG)
    run.step(5)
    search(run, 2, tenant="b")
    interactive = run.interactive([9], LONG)
    run.step(2)
    assert interactive.has_started and run.prompts == [1, 1, 8, 9]


def test_a_search_is_not_paused_for_longer_than_it_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(paused_module.time, "perf_counter", lambda: now)
    run = Steps(max_slots=SLOTS)
    first = search(run, 1)
    for _ in range(3):
        run.step()
        now += 1.0
    newcomer(run, num_tokens=LONG)
    waiting = newcomer(run, num_tokens=LONG)
    run.step(2)
    now += 2.0
    run.step()
    assert run.prompts == [9, 9], "both, since there is room"
    now += 2.0
    late = newcomer(run, num_tokens=LONG)
    run.step(5)
    assert not late.has_started, "the search is before it, and waits for those that have begun"
    run.finish(waiting)
    run.step(MIN_TOKENS + 5)
    assert run.prompts == [1] * SLOTS, "it was paused for 4 s and has run for 3"
    now += 2.0
    run.step(2)
    assert late.has_started
    run.finish(first)
