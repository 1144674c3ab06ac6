"""SentencePiece's character rules: what a text is rewritten to before it is cut into pieces.

The rules lie in the model as a double-array trie (Aoe, 1989, in the layout of darts-clone) over UTF-8 bytes, and the
replacements behind it, each ended by a zero byte.
"""

from array import array
from functools import lru_cache

_IS_VALUE = 1 << 31
_HAS_VALUE = 1 << 8
_LABEL = _IS_VALUE | 0xFF
_NUM_CHARACTERS_KEPT = 1 << 14


class Charsmap:
    """The longest rule that begins at a character replaces what it matches; a character without a rule stays."""

    def __init__(self, compiled: bytes) -> None:
        """``compiled``: size of the trie in bytes, little-endian in four bytes; the trie; the replacements. Or nothing.

        Raises:
            ValueError: it is cut short.
        """
        size = int.from_bytes(compiled[:4], "little")
        if compiled and (size % 4 or len(compiled) < 4 + size):
            raise ValueError("the character rules are cut short")
        self._units = array("I", compiled[4 : 4 + size])
        self._replacements = compiled[4 + size :]
        self._known = lru_cache(_NUM_CHARACTERS_KEPT)(self._look_up)

    def rewrite(self, text: str) -> str:
        """Return the text with every match replaced. It may hold no lone surrogates."""
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
        """Return what a character alone is replaced by, and the node from which longer rules go on: 0 if none do."""
        reached = self._step(self._offset(0), character)
        if reached is None:
            return character, 0
        node, value = reached
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
        """Follow a character from a node; None where there is no way on, else the next node and its replacement."""
        index = 0
        for byte in character.encode():
            index = node ^ byte
            if not self._has(index, byte):
                return None
            node = index ^ self._offset(index)
        if not self._units[index] & _HAS_VALUE:
            return node, None
        begin = self._units[node] & ~_IS_VALUE
        return node, self._replacements[begin : self._replacements.index(b"\0", begin)].decode()

    def _has(self, index: int, byte: int) -> bool:
        return index < len(self._units) and self._units[index] & _LABEL == byte

    def _offset(self, index: int) -> int:
        unit = self._units[index]
        return (unit >> 10) << ((unit & (1 << 9)) >> 6)
