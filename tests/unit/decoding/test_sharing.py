"""How tenants and lanes share slots and prefill: nobody waits for another one's flood, and what is free is used."""

from collections.abc import Collection

import pytest

from contracts.jobs import OPEN_TENANT, Lane
from tests.support.attempts import make_attempt
from tests.support.waiting import wait_until
from tests.unit.decoding.fakes import FakeCache, FakeModel, RecordingSink, answer, outputs_of, request, text_of, texts
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.request import Beams
from workers.runtime.decoding.sequences.prefill import MAX_CHUNK_TOKENS

MAX_SLOTS = 4


class Run:
    """An engine whose cache stands still until the test opens its gate."""

    def __init__(self, cache: FakeCache | None = None) -> None:
        self.engine, self.cache = DecodingEngine(RecordingSink()), cache or FakeCache(max_slots=MAX_SLOTS)
        self.model = FakeModel(self.cache)
        self.cache.gate.clear()

    def submit(
        self, tenant: str, prompts: list[list[int]], num_tokens: int, lane: Lane = "default", weight: float = 1.0
    ) -> GenerationHandle:
        requests = [request(prompt, num_tokens) for prompt in prompts]
        return self.engine.submit(self.model, requests, make_attempt(tenant=tenant, lane=lane, weight=weight))

    def flood(self, tenant: str, num_tokens: int = 500) -> GenerationHandle:
        """Let a tenant hold all slots that it gets; return once it does."""
        handle = self.submit(tenant, [[1]] * 200, num_tokens)
        self.cache.gate.set()
        num_before = len(self.cache.calls)
        # Two steps without a new sequence: it gets no more.
        wait_until(lambda: [call[0] for call in self.cache.calls[num_before:][-3:]] == ["step"] * 3, "nothing runs")
        return handle

    @property
    def num_held(self) -> int:
        return len(self.cache.held)


def test_a_tenant_leaves_a_slot_which_a_newcomer_has_at_the_next_step() -> None:
    run = Run()
    flood = run.flood("a")
    assert run.num_held == MAX_SLOTS - 1
    run.cache.gate.clear()
    newcomer = run.submit("b", [[2, 3]], 3)
    num_calls = len(run.cache.calls)
    run.cache.gate.set()
    assert texts(newcomer) == [text_of(answer([2, 3], 3))] and not flood.finished
    prefill = next(index for index, call in enumerate(run.cache.calls[num_calls:]) if call[:2] == ("prefill", 2))
    assert prefill <= 2, "it enters after the step that runs"
    run.engine.cancel(flood)


@pytest.mark.parametrize(("tenant", "max_slots", "expected"), [(OPEN_TENANT, MAX_SLOTS, MAX_SLOTS), ("a", 1, 1)])
def test_the_tenant_of_an_open_gateway_and_models_with_one_slot_leave_none(
    tenant: str, max_slots: int, expected: int
) -> None:
    run = Run(FakeCache(max_slots=max_slots))
    flood = run.flood(tenant)
    assert run.num_held == expected
    run.engine.cancel(flood)


def test_two_tenants_use_all_slots_and_a_third_one_is_next() -> None:
    run = Run()
    floods = [run.submit(tenant, [[number]] * 50, 20) for number, tenant in enumerate("ab", 1)]
    third = run.submit("c", [[3, 3, 3]], 3)
    run.cache.gate.set()
    outputs_of(third)
    prompts = [call[1] for call in run.cache.calls if call[0] == "prefill"]
    assert run.cache.peak == MAX_SLOTS and prompts.index(3) <= MAX_SLOTS
    for flood in floods:
        run.engine.cancel(flood)


def test_a_search_that_needs_all_slots_runs_once_its_tenant_has_none() -> None:
    run = Run()
    first = run.submit("a", [[1]], 5)
    requests = [request([2], 5, beams=Beams(MAX_SLOTS))]
    searches = [run.engine.submit(run.model, requests, make_attempt(tenant="a")) for _ in range(2)]
    run.cache.gate.set()
    for handle in (first, *searches):
        outputs_of(handle)


class FewTokens(FakeCache):
    """A cache whose slots share a budget of tokens, as those of caches without fixed memory per slot do."""

    def __init__(self, capacity_tokens: int) -> None:
        super().__init__(max_slots=16)
        self.capacity_tokens = capacity_tokens
        self.reserved: dict[int, int] = {}

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        held = sum(reserved for slot, reserved in self.reserved.items() if slot not in without)
        return held + num_slots * num_tokens <= self.capacity_tokens

    def allocate(self, num_tokens: int) -> int | None:
        if not self.has_room(1, num_tokens):
            return None
        slot = super().allocate(num_tokens)
        if slot is not None:
            self.reserved[slot] = num_tokens
        return slot

    def free(self, slot: int) -> None:
        super().free(slot)
        del self.reserved[slot]


def test_a_tenant_leaves_the_tokens_of_a_sequence_like_its_own() -> None:
    run = Run(FewTokens(4 * 501))
    flood = run.flood("a", 500)
    assert run.num_held == 3
    newcomer = run.submit("b", [[2]], 3)
    outputs_of(newcomer)
    assert not flood.finished
    run.engine.cancel(flood)


def test_lanes_and_tenants_share_slots_by_their_weights() -> None:
    run = Run(FakeCache(max_slots=9))
    run.submit("a", [[1]] * 500, 400, "bulk")
    run.submit("b", [[2, 2]] * 500, 400, "interactive")
    run.cache.gate.set()

    def have_their_shares() -> bool:
        return sorted(tokens[0] for tokens in list(run.cache.held.values()) if tokens) == [1] + [2] * 8

    # Bulk came first and may have all slots, of which it gives one at each step.
    wait_until(have_their_shares, "they don't get their shares")
    num_calls = len(run.cache.calls)
    wait_until(lambda: len(run.cache.calls) > num_calls + 100 and have_their_shares(), "they don't keep them")


def test_another_tenants_long_prompts_hold_up_a_short_one_by_a_chunk() -> None:
    run = Run(FakeCache(max_slots=16))
    long = run.submit("a", [[1] * (20 * MAX_CHUNK_TOKENS)] * 10, 2)
    run.cache.gate.set()
    wait_until(lambda: len(run.cache.calls) >= 2, "nothing is prefilled")
    run.cache.gate.clear()
    num_calls = len(run.cache.calls)
    short = run.submit("b", [[2, 2, 2]], 2)
    run.cache.gate.set()
    outputs_of(short)
    assert not long.finished
    calls = run.cache.calls[num_calls:]
    # What was begun when it came: the chunks of an idle step, of which one is running.
    position = next(index for index, call in enumerate(calls) if call[:2] == ("prefill", 3))
    assert position <= 5
    run.engine.cancel(long)


def test_two_tenants_long_prompts_go_on_side_by_side() -> None:
    run = Run(FakeCache(max_slots=16))
    lengths = {"a": 8 * MAX_CHUNK_TOKENS, "b": 8 * (MAX_CHUNK_TOKENS - 1)}
    handles = [run.submit(tenant, [[1] * length], 2) for tenant, length in lengths.items()]
    run.cache.gate.set()
    for handle in handles:
        outputs_of(handle)
    chunks = [call[1] for call in run.cache.calls if call[0] == "prefill"]
    done = [chunks[: index + 1] for index in range(len(chunks))]
    assert all(abs(each.count(MAX_CHUNK_TOKENS) - each.count(MAX_CHUNK_TOKENS - 1)) <= 2 for each in done)
