"""What of a text is written anew, chunk by chunk, and what stays between the chunks. Step 5 on the path of a job."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.errors import InvalidRequest
from workers.seq2seq.chunking import markup
from workers.seq2seq.chunking.sentences import sentences
from workers.seq2seq.chunking.splitting import Measure, Part, cut_to_fit

MAX_CHUNKS = 20_000
"""Of all inputs of a job: a thousand pages of sentences."""


@dataclass(frozen=True)
class Plan:
    """One input, apart. A model that changes nothing makes the input of it again: gap, chunk, gap, chunk, gap."""

    chunks: tuple[str, ...]
    gaps: tuple[str, ...]
    """What is before each chunk, and behind the last one."""


def whole(text: str) -> Plan:
    """Return the plan of a text that is one chunk."""
    return Plan((text,), ("", ""))


def in_sentences(texts: Sequence[str], *, html: bool, room: int, measure: Measure) -> list[Plan]:
    """Return plans by sentences. White space, and what has neither letters nor digits, stays as it is.

    Args:
        texts: the inputs.
        html: whether they are HTML; then chunks are without entities, and gaps with them.
        room: most tokens of a chunk; longer sentences are cut.
        measure: counts tokens.

    Raises:
        InvalidRequest: there are too many chunks.
    """
    drafts = [[*_sentences_of_html(text)] if html else [*_sentences_of(text)] for text in texts]
    cut = cut_to_fit([text for draft in drafts for text, is_chunk in draft if is_chunk], room, measure)
    check_num_chunks(sum(map(len, cut)))
    parts = iter(cut)
    return [_plan(draft, parts, html=html) for draft in drafts]


def by_text_of_html(texts: Sequence[str]) -> list[Plan]:
    """Return plans by the texts between tags, whole.

    Raises:
        InvalidRequest: there are too many chunks.
    """
    drafts = [
        [(piece, is_chunk) for segment in markup.segments(text) for piece, is_chunk in _whole_segment(segment)]
        for text in texts
    ]
    parts = [[Part(text, 1)] for draft in drafts for text, is_chunk in draft if is_chunk]
    check_num_chunks(len(parts))
    cut = iter(parts)
    return [_plan(draft, cut, html=True) for draft in drafts]


def check_num_chunks(num_chunks: int) -> None:
    """Check a job's chunks.

    Raises:
        InvalidRequest: there are too many.
    """
    if num_chunks > MAX_CHUNKS:
        raise InvalidRequest(
            f"The inputs make {num_chunks} chunks; a job takes {MAX_CHUNKS}. Send several jobs.", param="inputs"
        )


_Draft = list[tuple[str, bool]]
"""Texts, and whether each is written anew. In HTML the others are as they stand, these are without entities."""


def _sentences_of(text: str) -> Iterator[tuple[str, bool]]:
    return ((sentence, _has_words(sentence)) for sentence in sentences(text))


def _sentences_of_html(text: str) -> Iterator[tuple[str, bool]]:
    for segment in markup.segments(text):
        draft = [*_sentences_of(markup.unescaped(segment.text))] if segment.is_text else []
        if any(is_chunk for _, is_chunk in draft):
            yield from ((piece if is_chunk else markup.escaped(piece), is_chunk) for piece, is_chunk in draft)
        else:
            yield segment.text, False


def _whole_segment(segment: markup.Segment) -> Iterator[tuple[str, bool]]:
    text = markup.unescaped(segment.text)
    if not segment.is_text or not _has_words(text):
        yield segment.text, False
        return
    before, inner, behind = peeled(text)
    yield from ((markup.escaped(before), False), (inner, True), (markup.escaped(behind), False))


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))


def peeled(text: str) -> tuple[str, str, str]:
    """Return the white space before a text, the text without it, and the white space behind."""
    inner = text.strip()
    start = len(text) - len(text.lstrip())
    return text[:start], inner, text[start + len(inner) :]


def _plan(draft: _Draft, cut: Iterator[list[Part]], *, html: bool) -> Plan:
    """Return a plan; ``cut`` gives the parts of each chunk of the draft, in order."""
    chunks: list[str] = []
    gaps: list[list[str]] = [[]]
    for text, is_chunk in draft:
        for part in next(cut) if is_chunk else [Part(text, 0)]:
            if not is_chunk or not part.num_tokens or not _has_words(part.text):
                gaps[-1].append(markup.escaped(part.text) if html and is_chunk else part.text)
                continue
            before, inner, behind = peeled(part.text)
            gaps[-1].append(before)
            chunks.append(inner)
            gaps.append([behind])
    return Plan(tuple(chunks), tuple(map("".join, gaps)))
