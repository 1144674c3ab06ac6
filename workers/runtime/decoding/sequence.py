"""One text in the decoding loop: what is written token by token, and whether it has ended."""

import math

from contracts.generation import Piece, Token
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import Ticket
from workers.runtime.decoding.request import Written
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.sequence_group import DecodingModel, Running
from workers.runtime.decoding.text.text_stream import TextStream


class Row(Running):
    """One text of a ticket."""

    def __init__(self, ticket: Ticket, index: int, places: list[int], model: DecodingModel) -> None:
        super().__init__(ticket, index, places)
        self._names = model.vocabulary
        self._sampler = Sampler(self.order)
        self._stream = TextStream(model.tokenizer, self.order.prompt_ids, self.order.stops)
        self._last_token = -1
        self._parts: list[str] = []
        self._tokens: list[Token] = []
        self._top_tokens: list[list[Token]] = []
        self._sum_logprob = 0.0

    def fed(self) -> tuple[list[int], list[int]]:
        """Return its place and its last token. See `Running`."""
        return self.places, [self.reader.forced[0] if self.reader.forced else self._last_token]

    def accept(self, logits: Floats) -> list[Piece]:
        """Choose the next token. See `Running`."""
        order = self.order
        wants_logprob = order.logprobs or order.ranked
        choice = self._sampler.choose(logits[0], logprobs=wants_logprob, top_n=order.top_n_tokens)
        self._last_token = choice.token_id
        self.num_written += 1
        text = self._add(choice.token_id)
        self._parts.append(text)
        if wants_logprob:
            self._sum_logprob += choice.logprob
        if order.logprobs:
            self._tokens.append(self._token(choice.token_id, choice.logprob))
            self._top_tokens.append([self._token(*top) for top in choice.top])
        return self._pieces(text) if order.stream else []

    def settle(self) -> None:
        """Hand the text to its ticket. See `Running`."""
        assert self.finish_reason is not None  # noqa: S101 (the loop settles rows that have ended)
        written = Written(
            order=self.order,
            text="".join(self._parts),
            finish_reason=self.finish_reason,
            num_tokens=self.num_written,
            tokens=self._tokens,
            top_tokens=self._top_tokens if self.order.top_n_tokens else [],
            mean_logprob=self._sum_logprob / self.num_written if self.order.logprobs or self.order.ranked else math.nan,
        )
        self.ticket.settle(self._index, [written])

    def _add(self, token_id: int) -> str:
        """Return the text that may be shown now, and see whether the row has ended."""
        if token_id in self.order.eos_token_ids:
            self.finish_reason = "eos_token"
            return self._stream.end()
        text = self._stream.add(token_id)
        if self._stream.stopped:
            self.finish_reason = "stop_sequence"
        elif self.num_written == self.order.max_new_tokens:
            self.finish_reason = "length"
            text += self._stream.end()
        return text

    def _token(self, token_id: int, logprob: float) -> Token:
        return Token(token_id, self._names.text(token_id), logprob, self._names.is_special(token_id))

    def _pieces(self, text: str) -> list[Piece]:
        if not (text or self._tokens or self.finish_reason):
            return []
        piece = Piece(
            input=self.order.input,
            sequence=self.order.sequence,
            text=text,
            tokens=self._tokens[-1:],
            top_tokens=self._top_tokens[-1:] if self.order.top_n_tokens else [],
            finish_reason=self.finish_reason,
        )
        return [piece]
