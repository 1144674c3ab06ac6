"""One text in the decoding loop: what is written token by token, and whether it has ended."""

import math

from contracts.generation import TextDelta, Token
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import RequestHandle
from workers.runtime.decoding.request import GenerationOutput
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.sequence_group import DecodingModel, Running
from workers.runtime.decoding.text.text_stream import TextStream


class Row(Running):
    """One text of a ticket."""

    def __init__(self, handle: RequestHandle, index: int, places: list[int], model: DecodingModel) -> None:
        super().__init__(handle, index, places)
        self._names = model.vocabulary
        self._sampler = Sampler(self.request)
        self._stream = TextStream(model.tokenizer, self.request.prompt_ids, self.request.stops)
        self._last_token = -1
        self._parts: list[str] = []
        self._tokens: list[Token] = []
        self._top_tokens: list[list[Token]] = []
        self._sum_logprob = 0.0

    def fed(self) -> tuple[list[int], list[int]]:
        """Return its place and its last token. See `Running`."""
        return self.places, [self.reader.forced[0] if self.reader.forced else self._last_token]

    def accept(self, logits: Floats) -> list[TextDelta]:
        """Choose the next token. See `Running`."""
        request = self.request
        wants_logprob = request.logprobs or request.ranked
        choice = self._sampler.choose(logits[0], logprobs=wants_logprob, top_n=request.top_n_tokens)
        self._last_token = choice.token_id
        self.num_written += 1
        text = self._add(choice.token_id)
        self._parts.append(text)
        if wants_logprob:
            self._sum_logprob += choice.logprob
        if request.logprobs:
            self._tokens.append(self._token(choice.token_id, choice.logprob))
            self._top_tokens.append([self._token(*top) for top in choice.top])
        return self._pieces(text) if request.stream else []

    def settle(self) -> None:
        """Hand the text to its ticket. See `Running`."""
        assert self.finish_reason is not None  # noqa: S101 (the loop settles rows that have ended)
        written = GenerationOutput(
            request=self.request,
            text="".join(self._parts),
            finish_reason=self.finish_reason,
            num_tokens=self.num_written,
            tokens=self._tokens,
            top_tokens=self._top_tokens if self.request.top_n_tokens else [],
            mean_logprob=self._sum_logprob / self.num_written
            if self.request.logprobs or self.request.ranked
            else math.nan,
        )
        self.handle.settle(self._index, [written])

    def _add(self, token_id: int) -> str:
        """Return the text that may be shown now, and see whether the row has ended."""
        if token_id in self.request.eos_token_ids:
            self.finish_reason = "eos_token"
            return self._stream.end()
        text = self._stream.add(token_id)
        if self._stream.stopped:
            self.finish_reason = "stop_sequence"
        elif self.num_written == self.request.max_new_tokens:
            self.finish_reason = "length"
            text += self._stream.end()
        return text

    def _token(self, token_id: int, logprob: float) -> Token:
        return Token(token_id, self._names.text(token_id), logprob, self._names.is_special(token_id))

    def _pieces(self, text: str) -> list[TextDelta]:
        if not (text or self._tokens or self.finish_reason):
            return []
        delta = TextDelta(
            input=self.request.input,
            sequence=self.request.sequence,
            text=text,
            tokens=self._tokens[-1:],
            top_tokens=self._top_tokens[-1:] if self.request.top_n_tokens else [],
            finish_reason=self.finish_reason,
        )
        return [delta]
