"""Texts of a real model, with or without requests that push them out of their slots."""

from collections.abc import Sequence

from contracts.jobs import Lane
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
    texts: Sequence[GenerationRequest],
    visitor: GenerationRequest | None = None,
    *,
    every: int = 24,
    lanes: tuple[Lane, Lane] = ("bulk", "interactive"),
) -> tuple[list[GenerationOutput], int]:
    """Generate texts, and begin a visitor's one every few steps; return the texts and their pauses.

    Args:
        model: generates them.
        texts: of one tenant.
        visitor: of another one.
        every: steps between visits.
        lanes: of the texts and of the visitor.

    Raises:
        AssertionError: a visitor does not start within two steps.
    """
    metrics, memory = DecodingMetrics(), SavedMemory()
    scheduler = Scheduler(model, metrics, note_nothing, memory)
    handle = GenerationHandle(model, texts, make_attempt(lane=lanes[0]))
    scheduler.add(handle)
    for number in range(MAX_STEPS):
        if visitor is not None and number % every == every // 2:
            visit = GenerationHandle(model, [visitor], make_attempt(lane=lanes[1], tenant="visitor"))
            scheduler.add(visit)
        scheduler.step(lambda deltas: None)
        assert visitor is None or number % every != every // 2 + 1 or visit.has_started
        if not scheduler:
            break
    assert not model.cache.tokens_held and not memory.used_bytes
    return [output for outputs in handle.results() for output in outputs], metrics.pauses
