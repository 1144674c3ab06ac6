"""A scheduler over a fake model that tests run step by step."""

from collections.abc import Sequence
from typing import Any

from contracts.jobs import Lane
from tests.support.attempts import make_attempt
from tests.unit.decoding.fakes import FakeCache, FakeModel, request
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.scheduling.saved_memory import SavedMemory
from workers.runtime.decoding.scheduling.scheduler import Deltas, Scheduler
from workers.runtime.engine.engine import note_nothing

LONG = 300


class Steps:
    """A scheduler that takes a step when the test says so."""

    def __init__(self, cache: FakeCache | None = None, max_slots: int = 2) -> None:
        self.cache = cache or FakeCache(max_slots=max_slots)
        self.model = FakeModel(self.cache)
        self.metrics, self.memory = DecodingMetrics(), SavedMemory()
        self.scheduler = Scheduler(self.model, self.metrics, note_nothing, self.memory)
        self.deltas: Deltas = []

    def submit(self, lane: Lane, *requests: GenerationRequest, **about: Any) -> GenerationHandle:
        handle = GenerationHandle(self.model, requests, make_attempt(lane=lane, **about))
        self.scheduler.add(handle)
        return handle

    def bulk(self, *prompts: Sequence[int], num_tokens: int = LONG, **about: Any) -> GenerationHandle:
        return self.submit("bulk", *(request(prompt, num_tokens) for prompt in prompts), **about)

    def interactive(self, prompt: Sequence[int] = (9, 9), num_tokens: int = 3, **about: Any) -> GenerationHandle:
        return self.submit("interactive", request(prompt, num_tokens), **about)

    def step(self, num_steps: int = 1) -> None:
        for _ in range(num_steps):
            self.scheduler.step(self.deltas.extend)

    def finish(self, *handles: GenerationHandle) -> None:
        for _ in range(5000):
            if all(handle.finished for handle in handles):
                return
            self.step()
        raise AssertionError("not finished after 5000 steps")

    @property
    def prompts(self) -> list[int]:
        """The first token of what each slot holds."""
        return sorted(tokens[0] for tokens in self.cache.held.values() if tokens)

    @property
    def saved(self) -> list[tuple[str, int]]:
        return [call[:2] for call in self.cache.calls if call[0] in ("save", "restore")]
