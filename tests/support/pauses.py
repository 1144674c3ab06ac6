"""Bulk texts of a real model, with or without interactive requests that push them out of their slots."""

from collections.abc import Sequence

from tests.support.attempts import make_attempt
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest
from workers.runtime.decoding.scheduling.saved_memory import SavedMemory
from workers.runtime.decoding.scheduling.scheduler import Scheduler
from workers.runtime.engine.engine import note_nothing

MAX_STEPS = 10_000


def write_texts(
    model: DecodingModel,
    bulk: Sequence[GenerationRequest],
    visitor: GenerationRequest | None = None,
    *,
    every: int = 24,
) -> tuple[list[GenerationOutput], int]:
    """Generate bulk texts, and begin an interactive one every few steps; return the bulk texts and the pauses.

    Raises:
        AssertionError: an interactive request does not start within two steps.
    """
    metrics, memory = DecodingMetrics(), SavedMemory()
    scheduler = Scheduler(model, metrics, note_nothing, memory)
    handle = GenerationHandle(model, bulk, make_attempt(lane="bulk"))
    scheduler.add(handle)
    for number in range(MAX_STEPS):
        if visitor is not None and number % every == every // 2:
            visit = GenerationHandle(model, [visitor], make_attempt(lane="interactive"))
            scheduler.add(visit)
        scheduler.step(lambda deltas: None)
        assert visitor is None or number % every != every // 2 + 1 or visit.has_started
        if not scheduler:
            break
    assert not model.cache.tokens_held and not memory.used_bytes
    return [output for outputs in handle.results() for output in outputs], metrics.pauses
