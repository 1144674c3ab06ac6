"""Splits a text into chunks, which the model rewrites, and separators between them, which stay as they are.

Step 5 on the path of a job.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from contracts.errors import InvalidRequest
from workers.runtime.tokenizing.reading import Check, no_check
from workers.seq2seq.chunking import markup
from workers.seq2seq.chunking.sentences import CHECK_EVERY, split_sentences, split_white_space
from workers.seq2seq.chunking.splitting import CountTokens, Part, split_to_fit

MAX_CHUNKS = 20_000
"""Most chunks of all inputs of a job: a thousand pages of sentences."""


@dataclass(frozen=True)
class ChunkPlan:
    """How one input is split. The input is separator, chunk, separator, chunk, …, separator."""

    chunks: tuple[str, ...]
    separators: tuple[str, ...]
    """What is before each chunk and after the last one, so there is one more than chunks."""


_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_Segment = tuple[str, bool]
"""A text, and whether it is a chunk. A chunk of HTML has its entities resolved, the rest is as in the document."""
_Split = Callable[[str, Check], Iterator[_Segment]]


def single_chunk(text: str) -> ChunkPlan:
    """Return the plan of a text that is read whole."""
    return ChunkPlan((text,), ("", ""))


def plan_sentences(
    texts: Sequence[str], *, html: bool, max_tokens: int, count_tokens: CountTokens, check: Check = no_check
) -> list[ChunkPlan]:
    """Return plans with a chunk for each sentence. White space, and what has no letter or digit, is left as it is.

    Args:
        texts: the inputs.
        html: whether they are HTML, of which only the texts between tags are split.
        max_tokens: longest chunk; longer sentences are cut.
        count_tokens: of the model's tokenizer.
        check: called now and then; raises an exception to stop.

    Raises:
        InvalidRequest: the inputs have too many chunks.
    """
    segments = _collected(texts, _html_sentences if html else _sentences, check)
    sentences = [text for of_input in segments for text, is_chunk in of_input if is_chunk]
    parts = split_to_fit(sentences, max_tokens, count_tokens)
    # The limit is one of the whole job, so all inputs are split before any plan is made.
    check_num_chunks(sum(map(len, parts)))
    remaining = iter(parts)
    return [_plan(of_input, remaining, html=html) for of_input in segments]


def plan_html_texts(texts: Sequence[str], check: Check = no_check) -> list[ChunkPlan]:
    """Return plans with a chunk for each whole text between two tags. ``check`` may raise an exception to stop.

    Raises:
        InvalidRequest: the inputs have too many chunks.
    """
    segments = _collected(texts, _html_texts, check)
    remaining = iter([[Part(text, 1)] for of_input in segments for text, is_chunk in of_input if is_chunk])
    return [_plan(of_input, remaining, html=True) for of_input in segments]


def check_num_chunks(num_chunks: int) -> None:
    """Check how many chunks a job has, or has so far.

    Raises:
        InvalidRequest: they are too many.
    """
    if num_chunks > MAX_CHUNKS:
        raise InvalidRequest(
            f"The inputs have more than {MAX_CHUNKS} chunks, which is the limit of a job. Send several jobs.",
            param="inputs",
        )


def _collected(texts: Sequence[str], split: _Split, check: Check) -> list[list[_Segment]]:
    """Return the segments of each text, those between two chunks as one. A text of megabytes may have millions of them.

    Raises:
        InvalidRequest: the inputs have too many chunks. It is found before the rest is split.
    """
    collected: list[list[_Segment]] = []
    num_chunks = 0
    for text in texts:
        found: list[_Segment] = []
        between: list[str] = []
        for number, segment in enumerate(split(text, check)):
            if number % CHECK_EVERY == 0:
                check()
            if not segment[1]:
                between.append(segment[0])
                continue
            num_chunks += 1
            check_num_chunks(num_chunks)
            found += [("".join(between), False), segment]
            between.clear()
        collected.append([*found, ("".join(between), False)])
    return collected


def _sentences(text: str, check: Check) -> Iterator[_Segment]:
    return ((sentence, _has_words(sentence)) for sentence in split_sentences(text, check))


def _html_sentences(document: str, check: Check) -> Iterator[_Segment]:
    return _html_segments(document, _sentences, check)


def _html_texts(document: str, check: Check) -> Iterator[_Segment]:
    return _html_segments(document, _whole_text, check)


def _html_segments(document: str, split: _Split, check: Check) -> Iterator[_Segment]:
    for markup_or_text, is_text in markup.segments(document):
        text = markup.unescaped(markup_or_text) if is_text else ""
        if not _has_words(text):
            # A text without words keeps its entities byte for byte, because it is not unescaped and escaped again.
            yield markup_or_text, False
            continue
        for part, is_chunk in split(text, check):
            yield (part if is_chunk else markup.escaped(part)), is_chunk


def _whole_text(text: str, check: Check) -> Iterator[_Segment]:
    before, stripped, after = split_white_space(text)
    yield from ((before, False), (stripped, True), (after, False))


def _has_words(text: str) -> bool:
    return _LETTER_OR_DIGIT.search(text) is not None


def _plan(segments: Sequence[_Segment], remaining: Iterator[list[Part]], *, html: bool) -> ChunkPlan:
    """Return the plan of one input. ``remaining`` gives the parts of each segment that is a chunk, in order."""
    chunks: list[str] = []
    separators: list[list[str]] = [[]]
    for text, is_chunk in segments:
        for part in next(remaining) if is_chunk else [Part(text, 0)]:
            # A part of a split sentence may be punctuation only, and some characters have no token: the encoder would
            # refuse such a text, so it is kept as it is.
            if not is_chunk or not part.num_tokens or not _has_words(part.text):
                separators[-1].append(markup.escaped(part.text) if html and is_chunk else part.text)
                continue
            before, stripped, after = split_white_space(part.text)
            separators[-1].append(before)
            chunks.append(stripped)
            separators.append([after])
    return ChunkPlan(tuple(chunks), tuple(map("".join, separators)))
