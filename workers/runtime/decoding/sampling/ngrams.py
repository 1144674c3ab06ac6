"""The n-grams of one sequence, for requests in which none of them may occur twice."""

import copy
from collections import defaultdict, deque
from collections.abc import Iterable

# A polynomial modulo a prime, after Karp and Rabin, "Efficient randomized pattern-matching algorithms" (1987).
_MODULUS = (1 << 127) - 1
_BASE = 3**79


class Ngrams:
    """Which token has followed each (n-1)-gram of a sequence.

    The (n-1)-grams are known by numbers, which move on by one token at the same cost whatever n is. As tuples, those of
    a prompt of 16,000 tokens would take 500 MB if a client asked for n-grams of half that length.

    Args:
        size: n, at least 1.
        token_ids: the prompt.
    """

    def __init__(self, size: int, token_ids: Iterable[int]) -> None:
        self._size = size
        self._power = pow(_BASE, size - 1, _MODULUS)
        self._last: deque[int] = deque(maxlen=size)
        self._beginning = 0
        """The number of the last n-1 tokens, or of all if there are fewer."""
        found: defaultdict[int, dict[int, None]] = defaultdict(dict)
        for token_id in token_ids:
            beginning = self._move_on(token_id)
            if beginning is not None:
                found[beginning][token_id] = None
        self._followers = {beginning: tuple(followers) for beginning, followers in found.items()}

    def add(self, token_id: int) -> None:
        """Take note of a token at the end of the sequence."""
        beginning = self._move_on(token_id)
        if beginning is not None and token_id not in (followers := self._followers.get(beginning, ())):
            self._followers[beginning] = (*followers, token_id)

    def repeating(self) -> tuple[int, ...]:
        """Return the tokens that would repeat an n-gram if they came next."""
        return self._followers.get(self._beginning, ())

    def fork(self) -> "Ngrams":
        """Return an independent copy."""
        other = copy.copy(self)
        other._last, other._followers = self._last.copy(), self._followers.copy()
        return other

    def _move_on(self, token_id: int) -> int | None:
        """Append a token; return the beginning of the n-gram that it ends, or None if there are too few tokens."""
        beginning = self._beginning
        self._last.append(token_id)
        is_ngram = len(self._last) == self._size
        first = self._last[0] + 1 if is_ngram else 0
        self._beginning = (beginning * _BASE + token_id + 1 - first * self._power) % _MODULUS
        return beginning if is_ngram else None
