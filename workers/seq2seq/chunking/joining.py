"""Joins the answers to the chunks of a text into one text, in order: from complete answers, or from their deltas.

Both ways run through `ChunkJoiner`, so that the deltas of a stream always add up to the final answer.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from contracts.generation import FinishReason, TextDelta
from workers.runtime.decoding.request import GenerationRequest
from workers.seq2seq.chunking import markup
from workers.seq2seq.chunking.plan import ChunkPlan

_SENTENCE_ENDS = frozenset(".!?…,;:")
# transformers' `clean_up_tokenization`, but contractions must end here: it would also join "a 'sample'" to "a'sample'".
_SPACE_BEFORE = re.compile(r" (?=[.?!,]|n't\b|'(?:m|s|ve|re)\b)")


class ChunkAnswer(NamedTuple):
    """What the model generated for one chunk."""

    text: str
    finish_reason: FinishReason


class JoinedText(NamedTuple):
    """The answers to all chunks as one text."""

    text: str
    finish_reason: FinishReason
    """``length`` if any answer was cut; ``stop_sequence`` if the text ends with the chunk that had a stop string."""


@dataclass(frozen=True)
class PostprocessOptions:
    """How an answer is changed before it takes the place of its chunk."""

    clean_up_spaces: bool = False
    """Remove spaces before punctuation and inside contractions."""
    strip: bool = False
    """Remove the white space around it; the separators of the plan have that of the input."""
    add_missing_spaces: bool = False
    """Put a space after a sentence that ends with Latin punctuation if the separator is empty. Chinese has no spaces
    between sentences, its translation needs them."""
    escape_html: bool = False

    def apply(self, text: str) -> str:
        """Return a complete answer with its spaces cleaned up and stripped."""
        text = _SPACE_BEFORE.sub("", text) if self.clean_up_spaces else text
        return text.strip() if self.strip else text


class ChunkJoiner:
    """Joins the answers to one plan. Deltas of chunks that are not due yet wait."""

    def __init__(self, plan: ChunkPlan, options: PostprocessOptions) -> None:
        self._plan, self._options = plan, options
        self._waiting: dict[int, list[tuple[str, FinishReason | None]]] = defaultdict(list)
        self._chunk = 0
        """Index of the chunk whose answer is emitted now."""
        self._chunk_has_text = False
        """Whether some of its answer was emitted."""
        self._held = ""
        """End of its answer so far that further deltas may still change."""
        self._last_character = ""
        """Of all answers that were emitted."""
        self._reasons: set[FinishReason] = set()
        self._separator = plan.separators[0]
        """Separator that is emitted before the next answer."""
        self.finish_reason: FinishReason | None = None if plan.chunks else "eos_token"
        """Why the whole text ended; None: it has not."""

    def add(self, chunk: int, text: str, finish_reason: FinishReason | None) -> str:
        """Take a delta of the answer to a chunk; return the delta of the whole text, which may be empty."""
        self._waiting[chunk].append((text, finish_reason))
        emitted: list[str] = []
        # The end of one chunk makes the next one due, and all of its deltas may have arrived already.
        while self.finish_reason is None and (deltas := self._waiting.pop(self._chunk, None)):
            for delta, reason in deltas:
                emitted.append(self._extend(delta, ended=reason is not None))
                if reason is not None:
                    emitted.append(self._end_chunk(reason))
        return "".join(emitted)

    def _extend(self, text: str, *, ended: bool) -> str:
        separator, self._separator = self._separator, ""
        text, self._held = self._held + text, ""
        if self._options.clean_up_spaces and not ended:
            # Whether a space goes away depends on what follows it, so the answer is emitted when it is complete.
            self._held = text
            return separator
        if self._options.clean_up_spaces:
            text = _SPACE_BEFORE.sub("", text)
        if self._options.strip:
            text = text if self._chunk_has_text else text.lstrip()
            stripped = text.rstrip()
            # White space at the end so far is emitted only if more text follows.
            text, self._held = stripped, "" if ended else text[len(stripped) :]
        if not text:
            return separator
        return separator + self._postprocessed(text)

    def _postprocessed(self, text: str) -> str:
        lacks_space = (
            self._options.add_missing_spaces
            and not self._chunk_has_text
            and not self._plan.separators[self._chunk]
            and self._last_character in _SENTENCE_ENDS
        )
        # The last character is taken before escaping: the ";" of an entity would count as punctuation.
        self._chunk_has_text, self._last_character = True, text[-1]
        text = markup.escaped(text) if self._options.escape_html else text
        return f" {text}" if lacks_space else text

    def _end_chunk(self, reason: FinishReason) -> str:
        """Go on to the next chunk; return the separator after this one."""
        self._reasons.add(reason)
        self._chunk += 1
        self._chunk_has_text = False
        # A stop string ends the whole text, so the separator after it is dropped like the chunks after it.
        if reason == "stop_sequence":
            self.finish_reason = reason
            return ""
        if self._chunk == len(self._plan.chunks):
            self.finish_reason = "length" if "length" in self._reasons else "eos_token"
        return self._plan.separators[self._chunk]


def join_answers(plan: ChunkPlan, options: PostprocessOptions, answers: Sequence[ChunkAnswer]) -> JoinedText:
    """Return the text of a plan, from the complete answers to its chunks in order."""
    if not plan.chunks:
        # Without chunks there is no first delta that the only separator could come with.
        return JoinedText(plan.separators[0], "eos_token")
    joiner = ChunkJoiner(plan, options)
    text = "".join([joiner.add(index, *answer) for index, answer in enumerate(answers)])
    assert joiner.finish_reason is not None  # noqa: S101 (there is an answer to each chunk)
    return JoinedText(text, joiner.finish_reason)


class StreamJoiner:
    """Turns the deltas of a job's chunks into deltas of its inputs, while the chunks are generated side by side.

    Args:
        plans: by index of the input; only these inputs are streamed.
        options: of all of them.
        first_parts: the ``part`` that the requests of an input's first chunk have, where it is not 0.
    """

    def __init__(
        self, plans: Mapping[int, ChunkPlan], options: PostprocessOptions, first_parts: Mapping[int, int] | None = None
    ) -> None:
        self._plans, self._options = plans, options
        self._first_parts = first_parts or {}
        self._joiners: dict[tuple[int, int], ChunkJoiner] = {}

    def transform(self, request: GenerationRequest, delta: TextDelta) -> list[TextDelta]:
        """Return the delta of the whole text that a delta of one chunk makes, if any."""
        key = delta.input, delta.sequence
        joiner = self._joiners.get(key)
        if joiner is None:
            joiner = self._joiners[key] = ChunkJoiner(self._plans[delta.input], self._options)
        # Chunks are generated side by side, and those after a stop string are not cancelled. Their deltas are dropped.
        if joiner.finish_reason is not None:
            return []
        text = joiner.add(request.part - self._first_parts.get(delta.input, 0), delta.text, delta.finish_reason)
        if not text and joiner.finish_reason is None:
            return []
        return [TextDelta(input=delta.input, sequence=delta.sequence, text=text, finish_reason=joiner.finish_reason)]
