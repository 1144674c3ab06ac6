"""Bounds how many values a JSON document has and how deep it is, before it is parsed and at the speed of C.

A parser makes an object for each value, so the time and memory that a document takes follow from their number and not
from its length: 8 MiB of ``[],`` are 2.8 million lists. Nothing here runs once per value in Python.
"""

from contracts.errors import MalformedBody, PayloadTooLarge

MAX_VALUES = 100_000
"""Room for the largest valid bodies: 2,048 conversations of 16 messages, or lists of 65,536 token ids."""
MAX_DEPTH = 64
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")


def check_structure(raw: bytes, max_values: int = MAX_VALUES) -> None:
    """Refuse a document of more than ``max_values`` values, or that is nested more than ``MAX_DEPTH`` deep.

    It need not be valid JSON; a parser refuses it later.

    Raises:
        PayloadTooLarge: it has too many values.
        MalformedBody: it is nested too deeply.
    """
    num_open = raw.count(b"[") + raw.count(b"{")
    # Texts may have commas and brackets too. So this is more than there are values, and for most bodies it is enough.
    if num_open <= MAX_DEPTH and num_open + raw.count(b",") <= max_values:
        return
    outside = _outside_of_texts(raw, max_values)
    brackets = outside.translate(_SAME_BRACKETS, _NOT_BRACKETS)
    if b"[" * (MAX_DEPTH + 1) in brackets:
        raise _too_deep()
    if outside.count(b"[") + outside.count(b"{") + outside.count(b",") > max_values:
        raise _too_many(max_values)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")  # takes away the innermost level
    if b"[]" in brackets:
        raise _too_deep()


def _outside_of_texts(raw: bytes, max_values: int) -> bytes:
    """Return the document without the contents of its texts."""
    # A quotation mark within a text has an odd number of backslashes before it.
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    # Each text is a value or a name. Without this check the split could make millions of pieces.
    if plain.count(b'"') > 4 * max_values:
        raise _too_many(max_values)
    return b"".join(plain.split(b'"')[::2])


def _too_deep() -> MalformedBody:
    return MalformedBody(f"The body is nested too deeply: more than {MAX_DEPTH} lists and objects in each other.")


def _too_many(max_values: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body has more than {max_values} values, whatever its length. Send the inputs in several requests."
    )
