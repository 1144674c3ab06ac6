"""What an editor does with the edits of a corrected text."""

from contracts.seq2seq import Edit


def applied(text: str, edits: list[Edit]) -> str:
    """Return the text that edits make of another, taking the first replacement of each."""
    parts, position = [], 0
    for edit in edits:
        parts += [text[position : edit.offset], edit.replacements[0]]
        position = edit.offset + edit.length
    return "".join([*parts, text[position:]])
