"""Chooses the next token of a sequence: the likeliest one, or a random one from the sequence's own random numbers."""

import math

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import GenerationRequest, SampledToken
from workers.runtime.decoding.sampling.cumulative_sums import index_exceeding
from workers.runtime.decoding.sampling.logits_processors import LogitsProcessors
from workers.runtime.decoding.sampling.warpers import ids_of_largest, sampling_weights

NOTHING_ALLOWED = "No token can be chosen: the logits of all allowed tokens are -inf."
_BITS_64 = 2**64 - 1


class Sampler:
    """Chooses the tokens of one sequence, and remembers them for penalties and constraints. Used by one thread."""

    def __init__(self, request: GenerationRequest) -> None:
        self._sampling = sampling = request.sampling
        self._processors = LogitsProcessors(request)
        self._numbers = _Numbers(sampling.seed, sampling.stream_number) if sampling.do_sample else None

    def sample(self, logits: Floats, *, logprobs: bool = False, top_n: int = 0) -> SampledToken:
        """Choose the next token. Among equally likely tokens, greedy search chooses the one with the lowest id.

        Args:
            logits: float32 [vocabulary]; not changed.
            logprobs: whether to compute the token's log-probability.
            top_n: with ``logprobs``, how many of the likeliest tokens to return; fewer if fewer are possible.

        Raises:
            RuntimeError: a logit is NaN or +inf, or no token is allowed.
        """
        # Checked on the raw logits: a constraint could hide the NaN of a broken model.
        largest = largest_of(logits)
        processed = self._processors.apply(logits)
        likeliest = int(processed.argmax())
        if processed[likeliest] == -math.inf:
            raise RuntimeError(NOTHING_ALLOWED)
        token_id = self._draw(processed, self._numbers) if self._numbers else likeliest
        self._processors.add(token_id)
        return _with_logprobs(token_id, logits, largest, top_n) if logprobs else SampledToken(token_id)

    def _draw(self, logits: Floats, numbers: "_Numbers") -> int:
        ids, weights = sampling_weights(logits, self._sampling)
        index = index_exceeding(weights, numbers.next())
        return index if ids is None else int(ids[index])


class _Numbers:
    """The random numbers of one sequence: the n-th depends on seed, stream number and n alone.

    So a retried attempt samples the same tokens, whatever else runs.
    """

    def __init__(self, seed: int, stream_number: int) -> None:
        # Philox (Salmon et al., 2011) makes streams with different keys independent. Its raw output is the same in
        # every version of numpy, unlike that of ``Generator``.
        key = np.array([seed & _BITS_64, stream_number & _BITS_64], np.uint64)
        self._bits = np.random.Philox(key=key)

    def next(self) -> float:
        """Return a number from [0, 1)."""
        # The 53 bits that a float has, as numpy's own generators do it.
        return float(int(self._bits.random_raw()) >> 11) * 2.0**-53


def largest_of(logits: Floats) -> float:
    """Return the largest logit; -inf if no token is possible.

    Raises:
        RuntimeError: a logit is NaN or +inf.
    """
    largest = float(logits.max())
    if math.isnan(largest) or largest == math.inf:
        raise RuntimeError(f"The model's logits hold {'NaN' if math.isnan(largest) else '+inf'}.")
    return largest


def _with_logprobs(token_id: int, logits: Floats, largest: float, top_n: int) -> SampledToken:
    """Return the chosen token with log-probabilities of the raw logits."""
    with np.errstate(over="ignore"):  # a difference of huge logits may overflow to -inf, which is the right limit
        log_sum = math.log(float(np.exp(logits - np.float32(largest)).sum()))

    def logprob(token_id: int) -> float:
        return float(logits[token_id]) - largest - log_sum

    top = [(token, logprob(token)) for token in _likeliest(logits, top_n)] if top_n else []
    return SampledToken(token_id, logprob(token_id), top)


def _likeliest(logits: Floats, num: int) -> list[int]:
    """Return the likeliest tokens, of equal ones the lower id first. Impossible ones are left out: JSON has no -inf."""
    ids = ids_of_largest(logits, min(num, len(logits)))
    ids = ids[np.argsort(-logits[ids], kind="stable")][:num]
    return [int(id_) for id_ in ids if logits[id_] > -math.inf]
