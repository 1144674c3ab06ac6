"""The beams of one search in the decoding loop: they step together, and beside whatever else is written.

The first step is made by one of them, since they all begin with the same.
"""

import numpy as np

from contracts.generation import TextDelta
from workers.runtime.decoding.beam_search.search import BeamSearch, Hypothesis
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import RequestHandle
from workers.runtime.decoding.request import GenerationOutput
from workers.runtime.decoding.sequence_group import DecodingModel, Running
from workers.runtime.decoding.text.text_stream import TextStream


class BeamGroup(Running):
    """One order that is searched for. What it finds is told at its end: until then any beam may win."""

    def __init__(self, handle: RequestHandle, index: int, places: list[int], model: DecodingModel) -> None:
        super().__init__(handle, index, places)
        self._cache = model.cache
        self._tokenizer = model.tokenizer
        self._search = BeamSearch(self.request)
        self._num_wanted = self.request.beams.num_return_sequences if self.request.beams else 1
        self._tokens: list[int] = []
        self._texts: list[GenerationOutput] = []

    def fed(self) -> tuple[list[int], list[int]]:
        """Return a place and a token for each beam. See `Running`."""
        if self.reader.forced:
            return self.places[:1], [self.reader.forced[0]]
        return self.places, self._tokens

    def accept(self, logits: Floats) -> list[TextDelta]:
        """Choose how the beams go on. See `Running`."""
        is_first = len(logits) < len(self.places)
        found = self._search.advance(np.broadcast_to(logits, (len(self.places), logits.shape[1])))
        self.num_written = self._search.num_written
        if self._search.finished:
            self._texts = [*map(self._written, self._search.hypotheses())]
            # Where fewer texts are possible, the last stands for those that are missing.
            self._texts += self._texts[-1:] * (self._num_wanted - len(self._texts))
            self.finish_reason = self._texts[0].finish_reason
            return self._pieces() if self.request.stream else []
        self._tokens = found.token_ids
        self._cache.reorder_cache(self.places, [0] * len(self.places) if is_first else found.beam_idx)
        return []

    def settle(self) -> None:
        """Hand the best texts to the ticket. See `Running`."""
        self.handle.settle(self._index, self._texts)

    def _written(self, found: Hypothesis) -> GenerationOutput:
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

    def _pieces(self) -> list[TextDelta]:
        first = self.request.sequence
        return [
            TextDelta(
                input=self.request.input, sequence=first + number, text=text.text, finish_reason=text.finish_reason
            )
            for number, text in enumerate(self._texts)
        ]
