"""The answers to chunks put together to one text, in order, however they come: as a whole, or told as they grow.

Both ways are one piece of code, so that what a stream tells is what the answer is.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.generation import FinishReason, TextDelta
from workers.runtime.decoding.request import GenerationRequest
from workers.seq2seq.chunking import markup
from workers.seq2seq.chunking.plan import Plan

_ENDS = frozenset(".!?…,;:")
_SPACE_BEFORE = re.compile(r" (?=[.?!,]|n't\b|'(?:m|s|ve|re)\b)")


@dataclass(frozen=True)
class Manner:
    """What is done with an answer before it takes the place of its chunk."""

    clean_up: bool = False
    """Spaces before punctuation and within contractions are taken out."""
    strips: bool = False
    """White space around it is left out: the gaps have that of the input."""
    spaces: bool = False
    """A space is put between two sentences that have none between them, as in Chinese, where one ends like ours."""
    escapes: bool = False
    """It is written as text of HTML."""

    def finished(self, text: str) -> str:
        """Return an answer as it stands in the text, but for ``escapes``."""
        text = _SPACE_BEFORE.sub("", text) if self.clean_up else text
        return text.strip() if self.strips else text


class Weave:
    """One text in the making."""

    def __init__(self, plan: Plan, manner: Manner) -> None:
        self._plan, self._manner = plan, manner
        self._waiting: dict[int, list[tuple[str, FinishReason | None]]] = defaultdict(list)
        self._chunk = 0
        """The one whose answer is told now."""
        self._begun = False
        self._held = ""
        """The end of that answer, which is not certain yet."""
        self._last = ""
        """Last character of the answers."""
        self._reasons: set[FinishReason] = set()
        self._pending_gap = plan.gaps[0]
        self.finish_reason: FinishReason | None = None if plan.chunks else "eos_token"
        """Why the text ended; None: it has not."""

    def add(self, chunk: int, text: str, finish_reason: FinishReason | None) -> str:
        """Take what the answer to a chunk has grown by; return what the text has grown by."""
        self._waiting[chunk].append((text, finish_reason))
        told: list[str] = []
        while self.finish_reason is None and (grown := self._waiting.pop(self._chunk, None)):
            chunk = self._chunk
            for piece, reason in grown:
                told.append(self._grow(piece, ended=reason is not None))
                if reason is not None:
                    told.append(self._end_chunk(reason))
            if chunk == self._chunk:
                break
        return "".join(told)

    def _grow(self, text: str, *, ended: bool) -> str:
        gap, self._pending_gap = self._pending_gap, ""
        text, self._held = self._held + text, ""
        if self._manner.clean_up and not ended:
            self._held = text
            return gap
        if self._manner.clean_up:
            text = _SPACE_BEFORE.sub("", text)
        if self._manner.strips:
            text = text if self._begun else text.lstrip()
            shown = text.rstrip()
            text, self._held = shown, "" if ended else text[len(shown) :]
        if not text:
            return gap
        return gap + self._joined(text)

    def _joined(self, text: str) -> str:
        lacks_space = self._manner.spaces and not self._begun and not self._gap and self._last in _ENDS
        self._begun, self._last = True, text[-1]
        text = markup.escaped(text) if self._manner.escapes else text
        return f" {text}" if lacks_space else text

    @property
    def _gap(self) -> str:
        """What is before the chunk."""
        return self._plan.gaps[self._chunk]

    def _end_chunk(self, reason: FinishReason) -> str:
        self._reasons.add(reason)
        self._chunk += 1
        self._begun = False
        if reason == "stop_sequence":
            self.finish_reason = reason
            return ""
        if self._chunk == len(self._plan.chunks):
            self.finish_reason = "length" if "length" in self._reasons else "eos_token"
        return self._gap


@dataclass(frozen=True)
class Woven:
    """A text that is put together."""

    text: str
    finish_reason: FinishReason
    """``length`` if any chunk's answer ended so; ``stop_sequence``: the text ends with the chunk in which it was."""


def woven(plan: Plan, manner: Manner, answers: Sequence[tuple[str, FinishReason]]) -> Woven:
    """Return the text of a plan, from the answers to its chunks in order."""
    weave = Weave(plan, manner)
    text = "".join([weave.add(index, *answer) for index, answer in enumerate(answers)])
    if not plan.chunks:
        text = plan.gaps[0]
    assert weave.finish_reason is not None  # noqa: S101 (all chunks are answered)
    return Woven(text, weave.finish_reason)


class Weaver:
    """Tells the texts of a job as they grow: a `StreamTransform`. Orders are numbered by input, sequence and chunk.

    Args:
        plans: of each input that is told.
        manner: of all.
        first_parts: the number that the first chunk of an input has among its orders, where that is not 0.
    """

    def __init__(self, plans: Mapping[int, Plan], manner: Manner, first_parts: Mapping[int, int] | None = None) -> None:
        self._plans, self._manner = plans, manner
        self._first_parts = first_parts or {}
        self._weaves: dict[tuple[int, int], Weave] = {}

    def transform(self, request: GenerationRequest, piece: TextDelta) -> list[TextDelta]:
        """Return what is told of the whole text now that the answer to a chunk has grown."""
        key = piece.input, piece.sequence
        weave = self._weaves.get(key)
        if weave is None:
            weave = self._weaves[key] = Weave(self._plans[piece.input], self._manner)
        if weave.finish_reason is not None:
            return []
        text = weave.add(request.part - self._first_parts.get(piece.input, 0), piece.text, piece.finish_reason)
        if not text and weave.finish_reason is None:
            return []
        return [TextDelta(input=piece.input, sequence=piece.sequence, text=text, finish_reason=weave.finish_reason)]
