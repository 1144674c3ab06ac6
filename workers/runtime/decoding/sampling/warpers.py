"""From logits to the weights of a random choice: temperature, top-k, top-p, min-p and typical-p.

The steps, their order and the tokens that each one keeps are those of transformers' logits warpers, except that

* everything is computed in float64 and relative to the largest logit, so no temperature and no logit overflows;
* the whole vocabulary is sorted only for top-p or typical-p over an almost flat distribution;
* if top-p can keep only one of two equally likely tokens, it keeps the one with the lower id.
"""

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Ids, Sampling
from workers.runtime.decoding.sampling.cumulative_sums import Weights, index_reaching

_NUM_CANDIDATES = 1024
"""The best tokens that top-p and typical-p try first. Most often they have the required probability already, and the
other tokens need not be sorted."""
_COLUMN = 64
"""Logits in each of the columns of which `ids_of_largest` compares the maxima first."""
_TINY = float(np.finfo(np.float64).tiny)


def sampling_weights(logits: Floats, sampling: Sampling) -> tuple[Ids | None, Weights]:
    """Return the tokens to choose from, and weights in proportion to their probabilities.

    Args:
        logits: float32 [vocabulary]; at least one is finite, none is NaN or +inf.
        sampling: its ``do_sample`` is ignored.

    Returns:
        Token ids, int64 [tokens] and ascending, or None for the whole vocabulary; and weights, float64 [tokens].
        Excluded tokens may still be there with the weight 0. At least one weight is above 0.
    """
    ids = None
    if 0 < sampling.top_k < len(logits):
        ids = ids_of_largest(logits, sampling.top_k)
        logits = logits[ids]
    weights = _relative_probabilities(logits, sampling.temperature)
    if sampling.top_p < 1.0:
        weights = _nucleus(weights, sampling.top_p)
    if sampling.min_p > 0.0:
        weights *= weights >= sampling.min_p  # relative to the likeliest token, whose weight is 1
    if sampling.typical_p < 1.0:
        weights = _typical(weights, sampling.typical_p)
    return ids, weights


def ids_of_largest(logits: Floats, num: int) -> Ids:
    """Return the ids of the ``num`` largest logits, and of all that equal the smallest of these, ascending."""
    num_columns = len(logits) // _COLUMN
    if num > num_columns:
        return np.flatnonzero(logits >= _nth_largest(logits, num))
    # Partitioning the whole vocabulary is slow. Every column maximum is a logit, so the num-th largest maximum is a
    # lower bound of the num-th largest logit, and nearly all logits are below it.
    maxima = logits[: num_columns * _COLUMN].reshape(_COLUMN, num_columns).max(axis=0)
    ids = np.flatnonzero(logits >= _nth_largest(maxima, num))
    candidates = logits[ids]
    return ids[candidates >= _nth_largest(candidates, num)]


def _nth_largest(values: Floats, n: int) -> np.float32:
    index = len(values) - n
    nth: np.float32 = np.partition(values, index)[index]
    return nth


def _relative_probabilities(logits: Floats, temperature: float) -> Weights:
    """Return each token's probability divided by that of the likeliest token."""
    with np.errstate(over="ignore"):  # overflow gives -inf, and so the weight 0
        # numpy's float64 promotes the float32 logits; a Python float would not.
        distances = logits - np.float64(logits.max())
        if temperature != 1.0:
            distances /= temperature
        weights: Weights = np.exp(distances, out=distances)
        return weights


def _nucleus(weights: Weights, top_p: float) -> Weights:
    """Keep the likeliest tokens that together reach the probability ``top_p`` (Holtzman et al., 2020).

    A token is kept if the likelier ones together have less than ``top_p``, so at least one is kept.
    """
    mass = top_p * weights.sum()
    likeliest = weights
    if len(weights) > _NUM_CANDIDATES:
        candidates = np.partition(weights, -_NUM_CANDIDATES)[-_NUM_CANDIDATES:]
        likeliest = candidates if candidates.sum() >= mass else weights
    descending = np.sort(likeliest)[::-1]
    num_kept = 1 + index_reaching(descending, mass)
    last = descending[num_kept - 1]
    kept: Weights = weights * (weights >= last)
    equals = np.flatnonzero(weights == last)
    num_above = int(np.count_nonzero(descending > last))
    # The indices ascend, so of equal tokens those with the lowest ids stay.
    kept[equals[num_kept - num_above :]] = 0.0
    return kept


def _typical(weights: Weights, typical_p: float) -> Weights:
    """Keep the most typical tokens that together reach the probability ``typical_p`` (Meister et al., 2023).

    A token is the more typical, the closer its surprisal (-log p) is to the expected one, the entropy. Of equally
    typical tokens all are kept.
    """
    probabilities = weights / weights.sum()
    # Not below _TINY, because 0 * log(0) would be NaN where its limit is 0.
    surprisals = -np.log(np.maximum(probabilities, _TINY))
    distances = np.abs(surprisals - (probabilities * surprisals).sum())
    nearest = np.argpartition(distances, _NUM_CANDIDATES)[:_NUM_CANDIDATES] if len(weights) > _NUM_CANDIDATES else None
    if nearest is None or probabilities[nearest].sum() < typical_p:
        nearest = np.arange(len(weights))
    # The sort need not be stable: all tokens as near as the last one are kept below.
    ordered = nearest[np.argsort(distances[nearest])]
    farthest = distances[ordered[index_reaching(probabilities[ordered], typical_p)]]
    kept: Weights = weights * (distances <= farthest)
    return kept
