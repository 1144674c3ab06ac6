"""A single sequence: its tokens are sampled one by one, and its text is streamed while it grows."""

import math

from contracts.generation import FinishReason, TextDelta, Token
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationOutput
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.decoding.text.text_stream import TextStream


class Sequence(SequenceGroup):
    """A group of one sequence, greedy or sampled at random."""

    def __init__(self, handle: GenerationHandle, index: int, slots: list[int], model: DecodingModel) -> None:
        super().__init__(handle, index, slots, model)
        self._vocabulary = model.vocabulary
        self._sampler = Sampler(self.request)
        self._stream = TextStream(model.tokenizer, self.request.prompt_ids, self.request.stop_strings)
        self._needs_logprob = self.request.logprobs or self.request.ranked
        self._last_token = -1
        self._texts: list[str] = []
        self._tokens: list[Token] = []
        self._top_tokens: list[list[Token]] = []
        self._sum_logprob = 0.0

    def append(self, logits: Floats) -> list[TextDelta]:
        """Sample the next token and append it."""
        request = self.request
        sampled = self._sampler.sample(logits[0], logprobs=self._needs_logprob, top_n=request.top_n_tokens)
        self._last_token = sampled.token_id
        self.num_generated += 1
        text, finish_reason = self._decode(sampled.token_id)
        self._texts.append(text)
        if self._needs_logprob:
            self._sum_logprob += sampled.logprob
        if request.logprobs:
            self._tokens.append(self._token(sampled.token_id, sampled.logprob))
            self._top_tokens.append([self._token(*top) for top in sampled.top])
        if finish_reason:
            self.outputs = [self._output(finish_reason)]
        return self._deltas(text, finish_reason) if request.stream else []

    def _last_tokens(self) -> list[int]:
        return [self._last_token]

    def _decode(self, token_id: int) -> tuple[str, FinishReason | None]:
        """Return the text that can be shown now, and why the sequence ends with this token if it does."""
        # The text of an end-of-sequence token is never shown, whether or not the tokenizer calls it special.
        if token_id in self.request.eos_token_ids:
            return self._stream.end(), "eos_token"
        text = self._stream.add(token_id)
        if self._stream.stopped:
            return text, "stop_sequence"
        if self.num_generated == self.request.max_new_tokens:
            return text + self._stream.end(), "length"
        return text, None

    def _output(self, finish_reason: FinishReason) -> GenerationOutput:
        return GenerationOutput(
            request=self.request,
            text="".join(self._texts),
            finish_reason=finish_reason,
            num_tokens=self.num_generated,
            tokens=self._tokens,
            top_tokens=self._top_tokens if self.request.top_n_tokens else [],
            mean_logprob=self._sum_logprob / self.num_generated if self._needs_logprob else math.nan,
        )

    def _token(self, token_id: int, logprob: float) -> Token:
        return Token(token_id, self._vocabulary.text(token_id), logprob, self._vocabulary.is_special(token_id))

    def _deltas(self, text: str, finish_reason: FinishReason | None) -> list[TextDelta]:
        # Text may be held back. Then only clients that get the tokens get a delta.
        if not (text or self._tokens or finish_reason):
            return []
        delta = TextDelta(
            input=self.request.input,
            sequence=self.request.sequence,
            text=text,
            tokens=self._tokens[-1:],
            top_tokens=self._top_tokens[-1:] if self.request.top_n_tokens else [],
            finish_reason=finish_reason,
        )
        return [delta]
