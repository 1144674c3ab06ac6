"""Splits a long text into overlapping chunks that are summarised one by one. Step 5 on the path of a job."""

from workers.runtime.tokenizing.reading import Check, no_check
from workers.seq2seq.chunking.sentences import split_sentences
from workers.seq2seq.chunking.splitting import CountTokens, pack, split_to_fit

_OVERLAP_FRACTION = 8
"""The sentence that a chunk repeats from the one before may have 1/8 of the maximum. It says what the text is about, so
that no chunk begins with a pronoun that refers to nothing."""
_SHORT = 12
"""Characters below which a sentence stays with the next one. One takes 300 bytes until it is in a chunk, and a text may
have one in every two characters: 8 MB of them took 1.2 GB, and 16 s of CPU."""


def overlapping_chunks(text: str, max_tokens: int, count_tokens: CountTokens, check: Check = no_check) -> list[str]:
    """Return a long text as chunks of whole sentences, of at most ``max_tokens`` tokens each and about equally long.

    A chunk begins with the last sentence of the one before if that is short; without these the chunks are the text.
    ``check`` is called now and then; it may raise an exception to stop.
    """
    sentences = [
        part for parts in split_to_fit(_sentences_with_space(text, check), max_tokens, count_tokens) for part in parts
    ]
    lengths = [sentence.num_tokens for sentence in sentences]
    max_overlap = max_tokens // _OVERLAP_FRACTION
    max_own = max_tokens - max_overlap
    # Equal chunks, not full ones and a rest: a last chunk of one sentence would get a summary of its own.
    # At least one: sentences may have no tokens by themselves, although the text as a whole has.
    num_chunks = max(1, -(-sum(lengths) // max_own))
    groups = pack(lengths, min(max_own, -(-sum(lengths) // num_chunks)))
    chunks = []
    for before, group in zip([[], *groups], groups, strict=False):
        overlap = before[-1:] if before and lengths[before[-1]] <= max_overlap else []
        if sum(lengths[index] for index in group) > max_own:
            overlap = []
        chunks.append("".join(sentences[index].text for index in (*overlap, *group)).strip())
    # Joined sentences may have more tokens than the sum of theirs, so a chunk may be too long after all.
    fitting = split_to_fit([chunk for chunk in chunks if chunk], max_tokens, count_tokens)
    return [part.text for parts in fitting for part in parts if part.text.strip()]


def _sentences_with_space(text: str, check: Check) -> list[str]:
    """Return the sentences of a text, each with the white space after it, and short ones with the next sentence."""
    found: list[str] = []
    current, num_characters = list[str](), 0
    for part in split_sentences(text, check):
        if num_characters >= _SHORT and not part.isspace():
            found.append("".join(current))
            current, num_characters = [], 0
        current.append(part)
        num_characters += len(part.strip())
    return [*found, "".join(current)] if current else found
