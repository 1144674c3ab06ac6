"""Applies the edits of a corrected text, as an editor does."""

from contracts.seq2seq import Edit


def applied(text: str, edits: list[Edit]) -> str:
    """Return ``text`` after all edits, each with its first replacement."""
    parts, position = [], 0
    for edit in edits:
        parts += [text[position : edit.offset], edit.replacements[0]]
        position = edit.offset + edit.length
    return "".join([*parts, text[position:]])
