"""What a client has been told of a job's texts, held against what every attempt tells and against the record.

An attempt that follows on a dead worker's tells the same texts again from the beginning; a client gets of it only what
it does not have. And events may be lost while the record is not: at the end the client gets what is still missing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from contracts.generation import Details, FinishReason, TextDelta, Token
from services.gateway.http.errors import StreamBroken

T = TypeVar("T", str, list[int])


class Growth:
    """The texts of one streamed job, as one client knows them."""

    def __init__(self) -> None:
        self._attempt = 0
        self._rows: dict[tuple[int, int], _Row] = {}

    def begin(self, attempt: int) -> None:
        """Note that an attempt has started: it tells every text from the beginning."""
        if attempt > self._attempt:
            self._attempt = attempt
            for row in self._rows.values():
                row.rewind()

    def add(self, attempt: int, pieces: Iterable[TextDelta]) -> list[TextDelta]:
        """Return what of these pieces is new to the client.

        Raises:
            StreamBroken: the attempt tells another text than the one before it did.
        """
        self.begin(attempt)
        if attempt < self._attempt:
            return []
        fresh = [self._row(piece.input, piece.sequence).grow(piece) for piece in pieces]
        return [piece for piece in fresh if piece is not None]

    def complete(self, outputs: Sequence[Any]) -> list[TextDelta]:
        """Return what the finished texts have beyond what the client knows.

        ``outputs`` are those of any task that streams: each has ``text``, ``finish_reason`` and ``sequences``.

        Raises:
            StreamBroken: they do not begin with what it knows.
        """
        rests = [
            self._row(index, number).rest_of(written)
            for index, output in enumerate(outputs)
            for number, written in enumerate(output.sequences or [output])
        ]
        return [piece for piece in rests if piece is not None]

    def _row(self, index: int, sequence: int) -> "_Row":
        return self._rows.setdefault((index, sequence), _Row(index, sequence))


class _Row:
    """One text: what the client knows of it, and how much of that the current attempt has told."""

    def __init__(self, index: int, sequence: int) -> None:
        self.text = ""
        self.finished = False
        self._place = {"input": index, "sequence": sequence}
        self._token_ids: list[int] = []
        self._num_characters = 0
        self._num_tokens = 0

    def rewind(self) -> None:
        self._num_characters = self._num_tokens = 0

    def grow(self, piece: TextDelta) -> TextDelta | None:
        text = _beyond(self.text[self._num_characters :], piece.text)
        ids = [token.id for token in piece.tokens]
        first = len(ids) - len(_beyond(self._token_ids[self._num_tokens :], ids))
        self._num_characters += len(piece.text)
        self._num_tokens += len(ids)
        return self._told(text, piece.tokens[first:], piece.top_tokens[first:], piece.finish_reason)

    def rest_of(self, written: Any) -> TextDelta | None:
        """Take the record for one more attempt, told in one piece. It is the whole text, so there can't be more."""
        was_finished = self.finished
        # Only generated texts have their tokens told.
        details: Details | None = getattr(written, "details", None)
        self.rewind()
        rest = self.grow(
            TextDelta(
                text=written.text,
                tokens=details.tokens if details else [],
                top_tokens=details.top_tokens if details else [],
                finish_reason=written.finish_reason,
            )
        )
        if self.text != written.text or (was_finished and rest):
            raise StreamBroken
        return rest

    def _told(
        self, text: str, tokens: list[Token], top_tokens: list[list[Token]], finish_reason: FinishReason | None
    ) -> TextDelta | None:
        """Note what the client gets to know, and return it; None for nothing."""
        self.text += text
        self._token_ids += [token.id for token in tokens]
        reason = None if self.finished else finish_reason
        self.finished = self.finished or reason is not None
        if not (text or tokens or reason):
            return None
        return TextDelta(text=text, tokens=tokens, top_tokens=top_tokens, finish_reason=reason, **self._place)


def _beyond(known: T, told: T) -> T:
    """Return what ``told`` has beyond ``known``, where both begin at the same place."""
    if told[: len(known)] != known[: len(told)]:
        raise StreamBroken
    return told[len(known) :]
