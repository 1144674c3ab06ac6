"""Removes from a job's deltas what a client has already received.

A retried attempt generates every text again from its beginning; the client receives only what comes after the part
that it has. Events may be lost where the record is not, so at the end the client receives what is still missing.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from contracts.generation import FinishReason, TextDelta, Token
from services.gateway.http.errors import StreamBroken

T = TypeVar("T", str, list[int])


def cut(deltas: Iterable[TextDelta], max_tokens: int) -> list[TextDelta]:
    """Return the same deltas with ``max_tokens`` each at most. A text goes with the first of its tokens."""
    found = []
    for delta in deltas:
        for start in range(0, max(len(delta.tokens), 1), max_tokens):
            end = start + max_tokens
            found.append(
                msgspec.structs.replace(
                    delta,
                    text="" if start else delta.text,
                    tokens=delta.tokens[start:end],
                    top_tokens=delta.top_tokens[start:end],
                    finish_reason=delta.finish_reason if end >= len(delta.tokens) else None,
                )
            )
    return found


class DeltaDeduplicator:
    """The texts of one streamed job, as far as one client has received them."""

    def __init__(self) -> None:
        self._attempt = 0
        self._sequences: dict[tuple[int, int], _Sequence] = {}

    def start_attempt(self, attempt: int) -> None:
        """Note that an attempt has started, which will emit every text from its beginning."""
        if attempt > self._attempt:
            self._attempt = attempt
            for sequence in self._sequences.values():
                sequence.rewind()

    def add(self, attempt: int, deltas: Iterable[TextDelta]) -> list[TextDelta]:
        """Return the parts of an attempt's deltas that the client has not received.

        Raises:
            StreamBroken: the attempt generates another text than the one before it.
        """
        self.start_attempt(attempt)
        # A worker that lost its job may still have emitted events before it noticed.
        if attempt < self._attempt:
            return []
        new = [self._sequence(delta.input, delta.sequence).add(delta) for delta in deltas]
        return [delta for delta in new if delta is not None]

    def complete(self, answers: Iterable[list[TextDelta]]) -> list[TextDelta]:
        """Return what the client lacks of the finished texts: for each input its sequences, each as one delta.

        Raises:
            StreamBroken: the texts do not begin with what the client has received.
        """
        missing = [
            self._sequence(index, delta.sequence).complete(delta)
            for index, deltas in enumerate(answers)
            for delta in deltas
        ]
        return [delta for delta in missing if delta is not None]

    def _sequence(self, index: int, number: int) -> "_Sequence":
        return self._sequences.setdefault((index, number), _Sequence(index, number))


class _Sequence:
    """One text: what the client has received, and how much of that the current attempt has generated again."""

    def __init__(self, index: int, number: int) -> None:
        self.finished = False
        self._key = {"input": index, "sequence": number}
        self._text = _ReceivedText()
        self._token_ids: list[int] = []
        self._num_characters = 0
        self._num_tokens = 0

    def rewind(self) -> None:
        self._num_characters = self._num_tokens = 0

    def add(self, delta: TextDelta) -> TextDelta | None:
        # Text and tokens are compared separately: text lags behind its tokens, and two attempts may cut both into other
        # deltas. Only as much is compared as the delta has: of all that was received it would be quadratic work.
        start, first = self._num_characters, self._num_tokens
        ids = [token.id for token in delta.tokens]
        text = _after(self._text.part(start, start + len(delta.text)), delta.text)
        num_known = len(ids) - len(_after(self._token_ids[first : first + len(ids)], ids))
        self._num_characters += len(delta.text)
        self._num_tokens += len(ids)
        return self._receive(text, delta.tokens[num_known:], delta.top_tokens[num_known:], delta.finish_reason)

    def complete(self, whole: TextDelta) -> TextDelta | None:
        """Add the text of the record as if it were one more attempt, with the whole text in one delta."""
        was_finished = self.finished
        self.rewind()
        missing = self.add(whole)
        # A finished text can't grow. Then the record has another text, although it begins with what was sent.
        if self._text.length != len(whole.text) or (was_finished and missing):
            raise StreamBroken
        return missing

    def _receive(
        self, text: str, tokens: list[Token], top_tokens: list[list[Token]], finish_reason: FinishReason | None
    ) -> TextDelta | None:
        """Note what the client receives, and return it as a delta; None for nothing."""
        self._text.append(text)
        self._token_ids += [token.id for token in tokens]
        reason = None if self.finished else finish_reason
        self.finished = self.finished or reason is not None
        if not (text or tokens or reason):
            return None
        return TextDelta(text=text, tokens=tokens, top_tokens=top_tokens, finish_reason=reason, **self._key)


class _ReceivedText:
    """A text that grows by many small pieces, and is looked into only after a retry."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.length = 0

    def append(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)
            self.length += len(piece)

    def part(self, start: int, end: int) -> str:
        if start >= self.length:
            return ""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0][start:end]


def _after(received: T, generated: T) -> T:
    """Return what ``generated`` has after ``received``, which is not longer; both begin at one position of the text."""
    if generated[: len(received)] != received:
        raise StreamBroken
    return generated[len(received) :]
