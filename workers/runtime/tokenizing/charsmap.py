"""SentencePiece's normalization rules (``precompiled_charsmap``): how a text is rewritten before it is tokenized.

The model stores them as a double-array trie over UTF-8 bytes (Aoe, 1989, in the layout of darts-clone), followed by the
replacements, each ended by a zero byte.
"""

from array import array
from functools import lru_cache

_IS_VALUE = 1 << 31
_HAS_VALUE = 1 << 8
# With the bit of values, so that a unit that holds a value is never taken for one that a byte leads to.
_LABEL = _IS_VALUE | 0xFF
_NUM_CHARACTERS_KEPT = 1 << 14
"""Covers the characters of most languages at once. It is bounded because a client could send all of Unicode."""


class Charsmap:
    """Replaces the longest match of a rule at each place; a character that begins no match stays as it is."""

    def __init__(self, compiled: bytes) -> None:
        """Read the rules.

        Args:
            compiled: size of the trie in bytes, as a little-endian int32; the trie; the replacements. Empty: no rules.

        Raises:
            ValueError: ``compiled`` is shorter than it says.
        """
        size = int.from_bytes(compiled[:4], "little")
        if compiled and (size % 4 or len(compiled) < 4 + size):
            raise ValueError("the normalization rules are truncated")
        self._units = array("I", compiled[4 : 4 + size])
        self._replacements = compiled[4 + size :]
        # Walking the trie for each character of a text would take most of the time of tokenizing.
        self._known = lru_cache(_NUM_CHARACTERS_KEPT)(self._look_up)

    def rewrite(self, text: str) -> str:
        """Return the text with every match replaced. The text must not contain lone surrogates."""
        if not self._units:
            return text
        found, start = [], 0
        while start < len(text):
            replacement, node = self._known(text[start])
            length = 1
            if node:
                replacement, length = self._longest(text, start, replacement, node)
            found.append(replacement)
            start += length
        return "".join(found)

    def _look_up(self, character: str) -> tuple[str, int]:
        """Return the replacement of a character, and the node from which longer matches continue, or 0 if none do."""
        reached = self._step(self._offset(0), character)
        if reached is None:
            return character, 0
        node, value = reached
        # Not byte 0: in darts-clone that label ends a key and leads to its value.
        goes_on = any(self._has(node ^ byte, byte) for byte in range(1, 256))
        return character if value is None else value, node if goes_on else 0

    def _longest(self, text: str, start: int, replacement: str, node: int) -> tuple[str, int]:
        """Return the replacement of the longest match at ``start``, and how many characters it matches."""
        length = 1
        for index in range(start + 1, len(text)):
            reached = self._step(node, text[index])
            if reached is None:
                break
            node, value = reached
            if value is not None:
                replacement, length = value, index + 1 - start
        return replacement, length

    def _step(self, node: int, character: str) -> tuple[int, str | None] | None:
        """Follow the bytes of a character; return the next node and the replacement that ends there, if any."""
        index = 0
        for byte in character.encode():
            index = node ^ byte
            if not self._has(index, byte):
                return None
            node = index ^ self._offset(index)
        if not self._units[index] & _HAS_VALUE:
            return node, None
        # The value is the child with the label 0, and `node ^ 0` is `node`.
        begin = self._units[node] & ~_IS_VALUE
        return node, self._replacements[begin : self._replacements.index(b"\0", begin)].decode()

    def _has(self, index: int, byte: int) -> bool:
        return index < len(self._units) and self._units[index] & _LABEL == byte

    def _offset(self, index: int) -> int:
        # darts-clone stores the offset in 22 bits; bit 9 says that it is to be shifted by another 8.
        unit = self._units[index]
        return (unit >> 10) << ((unit & (1 << 9)) >> 6)
