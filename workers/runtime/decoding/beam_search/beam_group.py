"""The beams of one search as a sequence group: they share decode steps with all other sequences."""

import numpy as np

from contracts.generation import TextDelta
from workers.runtime.decoding.beam_search.search import BeamSearch, Hypothesis
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import Beams, GenerationOutput
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.decoding.text.text_stream import TextStream


class BeamGroup(SequenceGroup):
    """A group of ``num_beams`` sequences. Its text is streamed only at the end, because until then any beam may win."""

    def __init__(
        self, handle: GenerationHandle, index: int, slots: list[int], model: DecodingModel, beams: Beams
    ) -> None:
        super().__init__(handle, index, slots, model)
        self._cache = model.cache
        self._tokenizer = model.tokenizer
        self._search = BeamSearch(self.request, beams)
        self._num_return_sequences = beams.num_return_sequences
        self._tokens: list[int] = []

    def append(self, logits: Floats) -> list[TextDelta]:
        """Choose how the beams continue, and reorder their cache accordingly."""
        # The prefill, or the step of the decoder prefix, was run by the first beam for all.
        is_first = len(logits) < len(self.slots)
        chosen = self._search.advance(np.broadcast_to(logits, (len(self.slots), logits.shape[1])))
        self.num_generated = self._search.num_generated
        if self._search.finished:
            outputs = [*map(self._output, self._search.hypotheses())]
            # Constraints may allow fewer texts than requested; then the last one is repeated.
            self.outputs = outputs + outputs[-1:] * (self._num_return_sequences - len(outputs))
            return self._deltas() if self.request.stream else []
        self._tokens = chosen.token_ids
        self._cache.reorder_cache(self.slots, [0] * len(self.slots) if is_first else chosen.beam_idx)
        return []

    def _last_tokens(self) -> list[int]:
        return self._tokens

    def _output(self, found: Hypothesis) -> GenerationOutput:
        stream = TextStream(self._tokenizer, self.request.prompt_ids)
        text_ids = found.token_ids[: len(found.token_ids) - found.ended_by_eos]
        return GenerationOutput(
            request=self.request,
            text="".join([*map(stream.add, text_ids), stream.end()]),
            finish_reason="eos_token" if found.ended_by_eos else "length",
            num_tokens=len(found.token_ids),
            tokens=[],
            top_tokens=[],
            mean_logprob=found.score,
        )

    def _deltas(self) -> list[TextDelta]:
        first = self.request.sequence
        return [
            TextDelta(
                input=self.request.input, sequence=first + number, text=output.text, finish_reason=output.finish_reason
            )
            for number, output in enumerate(self.outputs)
        ]
