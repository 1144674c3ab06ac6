"""What an order's constraints forbid or force at the next token of one text."""

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import GenerationRequest, Ids

_Groups = list[Ids | list[int]]
_Followers = dict[tuple[int, ...], tuple[int, ...]]


class Constrainer:
    """Follows `Constraints` as transformers' processors of the same names do, in the order of its ``generate``.

    1. -inf to what would repeat a sequence of n tokens, to what would complete a bad word, and, while the text is too
       short, to the tokens that end it. A bad word that is just such a token is ignored. So is one of several tokens
       while the text, its prompt included, has fewer than it.
    2. Where a token is forced, 0 to it and -inf to all others. Of first and last token the last one wins.
    3. -inf to suppressed tokens, forced ones too. Where a first token is forced, the tokens that must not come first
       are those that must not come second.

    What a step costs depends on what is set and not on how long the text is, but for no_repeat_ngram_size 1.
    """

    def __init__(self, request: GenerationRequest) -> None:
        constraints = request.sampling.constraints
        self._num_prompt = self._num_tokens = len(request.prompt_ids)
        self._max_length = request.max_length
        min_new = constraints.min_new_tokens
        self._min_length = self._num_prompt + min_new if min_new else constraints.min_length
        self._ends = np.array(sorted(request.eos_token_ids), np.int64)
        self._forced_bos = constraints.forced_bos_token_id
        self._forced_eos = constraints.forced_eos_token_ids
        self._suppressed = np.array(constraints.suppress_tokens, np.int64)
        self._suppressed_first = np.array(constraints.begin_suppress_tokens, np.int64)
        is_forced = self._num_prompt == 1 and self._forced_bos is not None
        self._first_choice_at = self._num_prompt + is_forced

        words = [word for word in constraints.bad_words if word]
        self._bad_tokens = np.array([word[0] for word in words if _is_bad_token(word, request.eos_token_ids)], np.int64)
        self._bad_ends = _by_last_token_before_the_end(words)
        self._ngram_size = constraints.no_repeat_ngram_size
        prompt: list[int] = request.prompt_ids.tolist()
        self._followers = _followers(prompt, self._ngram_size) if self._ngram_size else {}
        self._tail_length = max([1, self._ngram_size, *map(len, words)]) - 1
        self._tail = tuple(prompt[len(prompt) - min(self._tail_length, len(prompt)) :])
        """The last tokens: as many as decide about the next one."""

    def apply(self, logits: Floats) -> Floats:
        """Return logits or log-probabilities with the constraints in force: the array itself if nothing is changed."""
        forced = self._forced()
        if forced:
            constrained = np.full_like(logits, -np.inf)
            constrained[list(forced)] = 0.0
            groups: _Groups = self._suppressed_now()
        else:
            groups = [*self._forbidden(len(logits)), *self._suppressed_now()]
            if not groups:
                return logits
            constrained = logits.copy()
        for ids in groups:
            constrained[ids] = -np.inf
        return constrained

    def add(self, token_id: int) -> None:
        """Note a token of the answer."""
        self._num_tokens += 1
        if self._ngram_size and len(self._tail) >= self._ngram_size - 1:
            prefix = self._tail[len(self._tail) - self._ngram_size + 1 :]
            followers = self._followers.get(prefix, ())
            if token_id not in followers:
                self._followers[prefix] = (*followers, token_id)
        if self._tail_length:
            self._tail = (*self._tail, token_id)[-self._tail_length :]

    def fork(self) -> "Constrainer":
        """Return a copy that goes its own way from here."""
        other = copy.copy(self)
        other._followers = self._followers.copy()
        return other

    def _forced(self) -> tuple[int, ...]:
        if self._forced_eos and self._num_tokens == self._max_length - 1:
            return self._forced_eos
        if self._forced_bos is not None and self._num_tokens == 1:
            return (self._forced_bos,)
        return ()

    def _suppressed_now(self) -> _Groups:
        groups: _Groups = [self._suppressed] if len(self._suppressed) else []
        if self._num_tokens == self._first_choice_at and len(self._suppressed_first):
            groups.append(self._suppressed_first)
        return groups

    def _forbidden(self, vocabulary: int) -> _Groups:
        groups: _Groups = [self._bad_tokens] if len(self._bad_tokens) else []
        if self._num_tokens < self._min_length and len(self._ends):
            groups.append(self._ends[self._ends < vocabulary])
        if self._ngram_size and len(self._tail) >= self._ngram_size - 1:
            prefix = self._tail[len(self._tail) - self._ngram_size + 1 :]
            if followers := self._followers.get(prefix):
                groups.append(list(followers))
        if self._bad_ends and self._tail and (completing := self._completing()):
            groups.append(completing)
        return groups

    def _completing(self) -> list[int]:
        """Return the last tokens of bad words whose other tokens are the last ones of the text."""
        return [
            word[-1]
            for word in self._bad_ends.get(self._tail[-1], ())
            if len(word) <= self._num_tokens and self._tail[1 - len(word) :] == word[:-1]
        ]


def _is_bad_token(word: Sequence[int], eos_token_ids: Iterable[int]) -> bool:
    return len(word) == 1 and word[0] not in eos_token_ids


def _by_last_token_before_the_end(words: Iterable[tuple[int, ...]]) -> dict[int, list[tuple[int, ...]]]:
    """Return the words of several tokens by the token after which their last one is forbidden."""
    found: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
    for word in words:
        if len(word) > 1:
            found[word[-2]].append(word)
    return dict(found)


def _followers(token_ids: Sequence[int], size: int) -> _Followers:
    """Return, for each n-1 tokens that n-grams of the text begin with, the tokens that came next."""
    found: defaultdict[tuple[int, ...], dict[int, None]] = defaultdict(dict)
    for *prefix, token in zip(*(token_ids[start:] for start in range(size)), strict=False):
        found[tuple(prefix)][token] = None
    return {prefix: tuple(tokens) for prefix, tokens in found.items()}
