"""Logits changed by what was said before: the repetition, frequency and presence penalties."""

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Ids, Sampling

_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class Penalties:
    """What is done to the logits of one text, in this order.

    1. Repetition, over prompt and answer: a positive logit is divided by the penalty, a negative one multiplied
       (Keskar et al., 2019; transformers' ``RepetitionPenaltyLogitsProcessor``).
    2. Frequency and presence, over the answer: the first is taken off for each time that the answer has the token, the
       second once (OpenAI; vLLM's order).

    Only logits of tokens that were seen are touched, and the table of those grows by a token at a time.
    """

    def __init__(self, sampling: Sampling, prompt_ids: Ids) -> None:
        self._repetition = max(float(np.float32(sampling.repetition_penalty)), _SMALLEST)
        self._frequency, self._presence = sampling.frequency_penalty, sampling.presence_penalty
        repeats = self._repetition != 1.0
        self.active = repeats or self._frequency != 0.0 or self._presence != 0.0
        """Whether there are any penalties."""
        self._seen = _SeenTokens(np.unique(prompt_ids).tolist() if repeats else [])

    def apply(self, logits: Floats) -> Floats:
        """Return the logits after all penalties: ``logits`` itself if there are none, else a copy.

        A finite logit stays finite, however large.
        """
        if not self.active or not self._seen.num_tokens:
            return logits
        logits = logits.copy()
        ids, counts = self._seen.table()
        logits[ids] = self._penalized(logits[ids], counts)
        return logits

    def add(self, token_id: int) -> None:
        """Note a token of the answer."""
        if self.active:
            self._seen.add(token_id)

    def fork(self) -> "Penalties":
        """Return a copy that goes its own way from here."""
        other = copy.copy(self)
        other._seen = self._seen.fork()
        return other

    def _penalized(self, logits: Floats, counts: npt.NDArray[np.float64]) -> Floats:
        # Rounded to float32 once, a product or quotient in float64 is the one that float32 arithmetic gives.
        values = logits.astype(np.float64)
        values = np.where(values < 0, values * self._repetition, values / self._repetition)
        values -= self._frequency * counts + self._presence * (counts > 0)
        values = np.clip(values, -_LARGEST, _LARGEST)
        values[logits == -np.inf] = -np.inf
        return values.astype(np.float32)


class _SeenTokens:
    """Distinct tokens in the order in which they came, and how often the answer has each."""

    def __init__(self, token_ids: Sequence[int]) -> None:
        self.num_tokens = len(token_ids)
        self._places = {token_id: place for place, token_id in enumerate(token_ids)}
        self._ids = np.array(token_ids, np.int64)
        self._counts = np.zeros(len(token_ids))

    def table(self) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Return ids and counts, good until the next token."""
        return self._ids[: self.num_tokens], self._counts[: self.num_tokens]

    def add(self, token_id: int) -> None:
        place = self._places.setdefault(token_id, self.num_tokens)
        if place == self.num_tokens:
            if place == len(self._ids):
                self._ids = np.resize(self._ids, 2 * place + 16)
                self._counts = np.resize(self._counts, 2 * place + 16)
            self._ids[place], self._counts[place] = token_id, 0.0
            self.num_tokens += 1
        self._counts[place] += 1

    def fork(self) -> "_SeenTokens":
        other = copy.copy(self)
        other._places = self._places.copy()
        other._ids, other._counts = self._ids.copy(), self._counts.copy()
        return other
