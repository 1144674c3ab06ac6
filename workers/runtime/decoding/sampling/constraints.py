"""Applies the constraints of a request: tokens that are forbidden or forced at the next position of one sequence."""

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import GenerationRequest, Ids
from workers.runtime.decoding.sampling.ngrams import Ngrams

_Groups = list[Ids | list[int]]


class ConstraintsProcessor:
    """Applies `Constraints` like transformers' processors of the same names, in the order of its ``generate``.

    1. Tokens that would repeat an n-gram, tokens that would complete a bad word and, while the sequence is too short,
       end-of-sequence tokens get -inf. A bad word that consists of an end-of-sequence token alone is ignored. So is a
       bad word of several tokens while the sequence, prompt included, is shorter than it.
    2. A forced token gets 0, and all others -inf. If both the first and the last token are forced at one position, the
       last one wins.
    3. Suppressed tokens get -inf, even if they are forced. If a first token is forced, the tokens suppressed at the
       beginning are suppressed at the second position.

    The cost of a step does not depend on the length of the sequence, except for ``no_repeat_ngram_size`` 1.
    """

    def __init__(self, request: GenerationRequest) -> None:
        constraints = request.sampling.constraints
        self._num_prompt = self._num_tokens = len(request.prompt_ids)
        self._max_length = request.max_length
        min_new = constraints.min_new_tokens
        self._min_length = self._num_prompt + min_new if min_new else constraints.min_length
        self._eos = np.array(sorted(request.eos_token_ids), np.int64)
        self._forced_bos = constraints.forced_bos_token_id
        self._forced_eos = constraints.forced_eos_token_ids
        # int64 also where empty: numpy makes an empty tuple a float array, which can't be an index.
        self._suppressed = np.array(constraints.suppress_tokens, np.int64)
        self._begin_suppressed = np.array(constraints.begin_suppress_tokens, np.int64)
        is_forced = self._num_prompt == 1 and self._forced_bos is not None
        # As in transformers, "begin" means the first position at which the model is free to choose.
        self._begin_at = self._num_prompt + is_forced

        words = [word for word in constraints.bad_words if word]
        self._bad_tokens = np.array([word[0] for word in words if _is_bad_token(word, request.eos_token_ids)], np.int64)
        self._bad_words = _by_last_but_one_token(words)
        prompt: list[int] = request.prompt_ids.tolist()
        size = constraints.no_repeat_ngram_size
        self._ngrams = Ngrams(size, prompt) if size else None
        self._tail_length = max([1, *map(len, words)]) - 1
        self._tail = tuple(prompt[len(prompt) - min(self._tail_length, len(prompt)) :])
        """The last tokens, as many as a bad word may begin with."""

    def apply(self, logits: Floats) -> Floats:
        """Return the constrained logits or log-probabilities; if nothing changes, the argument itself."""
        forced = self._forced()
        # A forced token is certain, so it has the log-probability 0; beam search adds it to its scores.
        if forced:
            constrained = np.full_like(logits, -np.inf)
            # As a list, because numpy takes a tuple for one index per axis.
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
        """Take note of a generated token."""
        self._num_tokens += 1
        if self._ngrams is not None:
            self._ngrams.add(token_id)
        if self._tail_length:
            self._tail = (*self._tail, token_id)[-self._tail_length :]

    def fork(self) -> "ConstraintsProcessor":
        """Return an independent copy."""
        # All other state is replaced and never changed in place.
        other = copy.copy(self)
        other._ngrams = self._ngrams and self._ngrams.fork()
        return other

    def _forced(self) -> tuple[int, ...]:
        if self._forced_eos and self._num_tokens == self._max_length - 1:
            return self._forced_eos
        if self._forced_bos is not None and self._num_tokens == 1:
            return (self._forced_bos,)
        return ()

    def _suppressed_now(self) -> _Groups:
        groups: _Groups = [self._suppressed] if len(self._suppressed) else []
        if self._num_tokens == self._begin_at and len(self._begin_suppressed):
            groups.append(self._begin_suppressed)
        return groups

    def _forbidden(self, vocabulary: int) -> _Groups:
        groups: _Groups = [self._bad_tokens] if len(self._bad_tokens) else []
        if self._num_tokens < self._min_length and len(self._eos):
            # Ids of a tokenizer may lie outside of the logits of a graph.
            groups.append(self._eos[self._eos < vocabulary])
        if self._ngrams is not None and (repeating := self._ngrams.repeating()):
            groups.append(list(repeating))
        if self._bad_words and self._tail and (completing := self._completing()):
            groups.append(completing)
        return groups

    def _completing(self) -> list[int]:
        """Return the last tokens of bad words whose other tokens end the sequence."""
        return [
            word[-1]
            for word in self._bad_words.get(self._tail[-1], ())
            if len(word) <= self._num_tokens and self._tail[1 - len(word) :] == word[:-1]
        ]


def _is_bad_token(word: Sequence[int], eos_token_ids: Iterable[int]) -> bool:
    return len(word) == 1 and word[0] not in eos_token_ids


def _by_last_but_one_token(words: Iterable[tuple[int, ...]]) -> dict[int, list[tuple[int, ...]]]:
    """Return the words of several tokens by their last but one, so that a step looks up only those it may complete."""
    found: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
    for word in words:
        if len(word) > 1:
            found[word[-2]].append(word)
    return dict(found)
