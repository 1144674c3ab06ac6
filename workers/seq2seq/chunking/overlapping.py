"""A long text in chunks that overlap, each to be summarised by itself. Step 5 on the path of a job."""

from collections.abc import Sequence

from workers.seq2seq.chunking.sentences import sentences
from workers.seq2seq.chunking.splitting import Measure, cut_to_fit, packed

_OVERLAP_SHARE = 8
"""The share of the room that the last sentence of the chunk before may take, so that no chunk begins without a hint of
what is spoken of."""


def overlapping(text: str, room: int, measure: Measure) -> list[str]:
    """Return a text that does not fit in chunks of whole sentences, each of ``room`` tokens at most, about as long.

    Joined, they are the text, but for the sentence that two chunks share.
    """
    atoms = [part for parts in cut_to_fit(_with_space_behind(text), room, measure) for part in parts]
    lengths = [atom.num_tokens for atom in atoms]
    overlap = room // _OVERLAP_SHARE
    limit = room - overlap
    num_chunks = -(-sum(lengths) // limit)
    groups = packed(lengths, min(limit, -(-sum(lengths) // num_chunks)))
    chunks = []
    for before, group in zip([[], *groups], groups, strict=False):
        shared = before[-1:] if before and lengths[before[-1]] <= overlap and _has_room(group, lengths, limit) else []
        chunks.append("".join(atoms[index].text for index in (*shared, *group)).strip())
    # Of joined sentences the tokens need not be the sum, so a chunk may have become too long after all.
    fitting = cut_to_fit([chunk for chunk in chunks if chunk], room, measure)
    return [part.text for parts in fitting for part in parts if part.text.strip()]


def _has_room(group: Sequence[int], lengths: Sequence[int], limit: int) -> bool:
    return sum(lengths[index] for index in group) <= limit


def _with_space_behind(text: str) -> list[str]:
    """Return the sentences of a text, each with the white space behind it."""
    found: list[str] = []
    for part in sentences(text):
        if found and (part.isspace() or found[-1].isspace()):
            found[-1] += part
        else:
            found.append(part)
    return found
