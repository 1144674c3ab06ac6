"""One text in the decoding loop: what of its prompt is read, what is written, and whether it has ended."""

import math
from typing import Protocol

from tokenizers import Tokenizer

from contracts.generation import FinishReason, Piece, Token
from workers.runtime.decoding.cache import Cache, Floats
from workers.runtime.decoding.order import Ids, Order, Written
from workers.runtime.decoding.sampling import Sampler
from workers.runtime.decoding.text import TextStream, Vocabulary
from workers.runtime.decoding.ticket import Ticket

MAX_PIECE_TOKENS = 128
"""Tokens of a prompt that are read in one call. More brings new texts to their first token sooner, and makes the others
wait longer for their next one: on two cores such a piece takes about as long as three steps of 16 rows."""


class DecodingModel(Protocol):
    """A loaded decoder. Compared and hashed by identity."""

    name: str
    cache: Cache
    tokenizer: Tokenizer
    vocabulary: Vocabulary


class Row:
    """One text of a ticket. Used by the inference thread only."""

    def __init__(self, ticket: Ticket, index: int, place: int, model: DecodingModel) -> None:
        self.ticket = ticket
        self.order: Order = ticket.orders[index]
        self.place = place
        """In the cache."""
        self.last_token = -1
        self.last_at = 0.0
        """``time.perf_counter()`` of its last token."""
        self.finish_reason: FinishReason | None = None
        self.num_written = 0
        self._index = index
        self._num_read = 0
        self._names = model.vocabulary
        self._sampler = Sampler(self.order.sampling, self.order.prompt_ids)
        self._stream = TextStream(model.tokenizer, self.order.prompt_ids, self.order.stops)
        self._parts: list[str] = []
        self._tokens: list[Token] = []
        self._top_tokens: list[list[Token]] = []
        self._sum_logprob = 0.0

    @property
    def next_piece(self) -> Ids:
        """The tokens of the prompt that are to be read in the next call, int64 [tokens].

        Pieces are as equal as can be: a short one at the end would take nearly as long as a whole one. They depend on
        nothing but the prompt, since other cuts round differently.
        """
        prompt = self.order.prompt_ids
        num_pieces = -(-len(prompt) // MAX_PIECE_TOKENS)
        size = -(-len(prompt) // num_pieces)
        return prompt[self._num_read : self._num_read + size]

    def has_read(self, num_tokens: int) -> bool:
        """Note that so many more were read; return whether that was all."""
        self._num_read += num_tokens
        return self._num_read == len(self.order.prompt_ids)

    def accept(self, logits: Floats) -> Piece | None:
        """Choose the next token; return what the row has grown by if that is to be told.

        Raises:
            RuntimeError: there is nothing to choose among these logits.
        """
        order = self.order
        wants_logprob = order.logprobs or order.ranked
        choice = self._sampler.choose(logits, logprobs=wants_logprob, top_n=order.top_n_tokens)
        self.last_token = choice.token_id
        self.num_written += 1
        text = self._add(choice.token_id)
        self._parts.append(text)
        if wants_logprob:
            self._sum_logprob += choice.logprob
        if order.logprobs:
            self._tokens.append(self._token(choice.token_id, choice.logprob))
            self._top_tokens.append([self._token(*top) for top in choice.top])
        return self._piece(text) if order.stream else None

    def settle(self) -> None:
        """Hand the finished text to its ticket."""
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
        self.ticket.settle(self._index, written)

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

    def _piece(self, text: str) -> Piece | None:
        if not (text or self._tokens or self.finish_reason):
            return None
        return Piece(
            input=self.order.input,
            sequence=self.order.sequence,
            text=text,
            tokens=self._tokens[-1:],
            top_tokens=self._top_tokens[-1:] if self.order.top_n_tokens else [],
            finish_reason=self.finish_reason,
        )
