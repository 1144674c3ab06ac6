"""What a generating model takes to read and to write: the calls that are timed when it is loaded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.sequences.prefill import Prefill
from workers.runtime.decoding.text.text_stream import TextStream
from workers.runtime.price.measuring import (
    LONG_TOKENS,
    MAX_CALLS,
    SHORT_TOKENS,
    Reading,
    ReadTimes,
    affordable,
    least_of,
    read_times,
    time_of,
)

NEW_TOKENS = 2 * MAX_CALLS + 1
"""Steps that are timed, each of which adds a token."""
RequestOfLength = Callable[[int, int], GenerationRequest]
"""Makes a request that reads so many tokens, and writes at most so many."""


class GenerationTimes(NamedTuple):
    """What a model takes for its inputs, and for each token that it writes while all of its slots are in use."""

    read: ReadTimes
    token_out_s: float
    step_s: float
    """From one token of a sequence to its next, if no other is written."""


def measure_generation(model: DecodingModel, request_of: RequestOfLength, longest: int) -> GenerationTimes:
    """Return what a model takes to read and to write.

    Args:
        model: no other thread uses it yet. It has run before, so that nothing happens for the first time.
        request_of: makes a request.
        longest: most tokens that it may read.
    """
    short = request_of(min(longest, SHORT_TOKENS), NEW_TOKENS)
    reading = _reading(model, short)
    # A long text is read in one call, which takes less for each token.
    num_tokens = min(longest, LONG_TOKENS, SHORT_TOKENS * affordable(reading.seconds, LONG_TOKENS))
    read = read_times(reading, _reading(model, request_of(num_tokens, NEW_TOKENS)))
    return GenerationTimes(read, *_write_times(model, short))


def _reading(model: DecodingModel, request: GenerationRequest) -> Reading:
    def seconds() -> float:
        with _slots(model, request, most=1) as slots:
            return time_of(partial(_read, model.prefill(request, slots)))

    return Reading(1, len(request.source_ids) or len(request.prompt_ids), least_of(seconds))


def _write_times(model: DecodingModel, request: GenerationRequest) -> tuple[float, float]:
    """Return the time of a token while all slots are in use, and from one to the next if only one is."""
    with _slots(model, request, most=model.cache.max_slots) as slots:
        prefill = model.prefill(request, slots)
        _read(prefill)
        if not prefill.decoder_prefix:
            model.cache.reorder_cache(slots, [0] * len(slots))
        token_id = int((prefill.decoder_prefix or request.prompt_ids)[0])

        def step_s(num_slots: int) -> float:
            return time_of(partial(model.cache.step, slots[:num_slots], [token_id] * num_slots))

        alone_s = least_of(partial(step_s, 1))
        num_slots = affordable(alone_s, len(slots))
        full_s = least_of(partial(step_s, num_slots)) / num_slots
        choice_s = _choice_s(model, request, slots[0], token_id)
        return full_s + choice_s, alone_s + choice_s


def _choice_s(model: DecodingModel, request: GenerationRequest, slot: int, token_id: int) -> float:
    """Return how long it takes to choose a token and to make it text."""
    sampler, stream = Sampler(request), TextStream(model.tokenizer, request.prompt_ids)
    logits = model.cache.step([slot], [token_id])[0]
    return least_of(lambda: time_of(lambda: stream.add(sampler.sample(logits).token_id)))


def _read(prefill: Prefill) -> None:
    while prefill.num_next_tokens:
        prefill.run()


@contextmanager
def _slots(model: DecodingModel, request: GenerationRequest, *, most: int) -> Iterator[list[int]]:
    """Allocate as many slots as there is room for, and free them in the end."""
    slots: list[int] = []
    try:
        while len(slots) < most and (slot := model.cache.allocate(request.max_length)) is not None:
            slots.append(slot)
        yield slots
    finally:
        for slot in slots:
            model.cache.free(slot)
