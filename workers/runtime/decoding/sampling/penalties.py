"""Penalties on tokens that occurred before: the repetition, frequency and presence penalties."""

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Ids, Sampling

_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class Penalties:
    """The penalties of one sequence, applied in this order.

    1. Repetition, for the tokens of prompt and output: a positive logit is divided by the penalty, a negative one is
       multiplied by it (Keskar et al., 2019; transformers' ``RepetitionPenaltyLogitsProcessor``).
    2. Frequency and presence, for the tokens of the output: the first is subtracted once per occurrence, the second
       once in all (OpenAI's definition, vLLM's order).

    Only the logits of tokens seen so far are computed; the table of these grows by one entry at a time.
    """

    def __init__(self, sampling: Sampling, prompt_ids: Ids) -> None:
        # transformers computes in float32, where a tiny penalty becomes 0, and a division by it infinite.
        self._repetition = max(float(np.float32(sampling.repetition_penalty)), _SMALLEST)
        self._frequency, self._presence = sampling.frequency_penalty, sampling.presence_penalty
        repeats = self._repetition != 1.0
        self.active = repeats or self._frequency != 0.0 or self._presence != 0.0
        """Whether any penalty differs from its neutral value."""
        self._seen = _SeenTokens(np.unique(prompt_ids).tolist() if repeats else [])

    def apply(self, logits: Floats) -> Floats:
        """Return the logits after all penalties: ``logits`` itself if none applies, else a changed copy.

        A finite logit stays finite, however large the penalties are.
        """
        if not self.active or not self._seen.num_tokens:
            return logits
        logits = logits.copy()
        ids, counts = self._seen.table()
        logits[ids] = self._penalized(logits[ids], counts)
        return logits

    def add(self, token_id: int) -> None:
        """Take note of a generated token."""
        if self.active:
            self._seen.add(token_id)

    def fork(self) -> "Penalties":
        """Return an independent copy."""
        other = copy.copy(self)
        other._seen = self._seen.fork()
        return other

    def _penalized(self, logits: Floats, counts: npt.NDArray[np.float64]) -> Floats:
        # float64 avoids overflow. A single product or quotient, rounded to float32 at the end, equals that of float32
        # arithmetic, so results are equal to transformers' to the bit.
        values = logits.astype(np.float64)
        values = np.where(values < 0, values * self._repetition, values / self._repetition)
        values -= self._frequency * counts + self._presence * (counts > 0)
        values = np.clip(values, -_LARGEST, _LARGEST)
        values[logits == -np.inf] = -np.inf  # the clip has made the logits of impossible tokens finite
        return values.astype(np.float32)


class _SeenTokens:
    """The distinct tokens seen, in order of first occurrence, and how often the output has each."""

    def __init__(self, token_ids: Sequence[int]) -> None:
        self.num_tokens = len(token_ids)
        self._index = {token_id: index for index, token_id in enumerate(token_ids)}
        self._ids = np.array(token_ids, np.int64)
        self._counts = np.zeros(len(token_ids))

    def table(self) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Return ids and counts; they are valid until the next token."""
        return self._ids[: self.num_tokens], self._counts[: self.num_tokens]

    def add(self, token_id: int) -> None:
        index = self._index.setdefault(token_id, self.num_tokens)
        if index == self.num_tokens:
            if index == len(self._ids):
                # np.resize repeats the old entries to fill the new ones, which are overwritten one by one.
                self._ids = np.resize(self._ids, 2 * index + 16)
                self._counts = np.resize(self._counts, 2 * index + 16)
            self._ids[index], self._counts[index] = token_id, 0.0
            self.num_tokens += 1
        self._counts[index] += 1

    def fork(self) -> "_SeenTokens":
        other = copy.copy(self)
        other._index = self._index.copy()
        other._ids, other._counts = self._ids.copy(), self._counts.copy()
        return other
