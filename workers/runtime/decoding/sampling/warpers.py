"""From logits to the weights that a token is drawn by: temperature, top-k, top-p, min-p and typical-p.

The steps, their order and what each one keeps are those of transformers' warpers. They differ from them in three ways:

* All is computed in float64 and relative to the largest logit, so no temperature or logit overflows.
* Nothing as long as a vocabulary is sorted unless top-p or typical-p is asked of a distribution that is almost flat.
* Where top-p must take one of two equally likely tokens, it takes the one of the lower id.
"""

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Ids, Sampling
from workers.runtime.decoding.sampling.cumulative_sums import Weights, place_reaching

_NUM_HOPEFULS = 1024
"""So many of the best tokens are looked at first for top-p and typical-p; most often they have the probability."""
_COLUMN = 64
_TINY = float(np.finfo(np.float64).tiny)


def weigh(logits: Floats, sampling: Sampling) -> tuple[Ids | None, Weights]:
    """Return the tokens that are left to draw from, and weights in proportion to their probabilities.

    Args:
        logits: float32 [vocabulary]; at least one is finite, and none is NaN or +inf.
        sampling: ``do_sample`` is taken for granted.

    Returns:
        Token ids, int64 [tokens] and ascending, or None for the whole vocabulary; and float64 [tokens]. Tokens that
        were dropped may still be there with the weight 0. At least one weight is above 0.
    """
    ids = None
    if 0 < sampling.top_k < len(logits):
        ids = ids_of_largest(logits, sampling.top_k)
        logits = logits[ids]
    weights = _relative_probabilities(logits, sampling.temperature)
    if sampling.top_p < 1.0:
        weights = _nucleus(weights, sampling.top_p)
    if sampling.min_p > 0.0:
        weights *= weights >= sampling.min_p  # the likeliest has 1
    if sampling.typical_p < 1.0:
        weights = _typical(weights, sampling.typical_p)
    return ids, weights


def ids_of_largest(logits: Floats, num: int) -> Ids:
    """Return the ids of the ``num`` largest logits and of all that equal the smallest of these, ascending."""
    num_columns = len(logits) // _COLUMN
    if num > num_columns:
        return np.flatnonzero(logits >= _nth_largest(logits, num))
    # Each maximum of a column is one of the logits, so the num-th largest of them is at most the num-th largest logit:
    # what is below can be left out, and that is nearly all.
    maxima = logits[: num_columns * _COLUMN].reshape(_COLUMN, num_columns).max(axis=0)
    ids = np.flatnonzero(logits >= _nth_largest(maxima, num))
    candidates = logits[ids]
    return ids[candidates >= _nth_largest(candidates, num)]


def _nth_largest(values: Floats, n: int) -> np.float32:
    place = len(values) - n
    nth: np.float32 = np.partition(values, place)[place]
    return nth


def _relative_probabilities(logits: Floats, temperature: float) -> Weights:
    """Return each token's probability over that of the likeliest."""
    with np.errstate(over="ignore"):  # to -inf, so to 0
        distances = logits - np.float64(logits.max())
        if temperature != 1.0:
            distances /= temperature
        weights: Weights = np.exp(distances, out=distances)
        return weights


def _nucleus(weights: Weights, top_p: float) -> Weights:
    """Keep the likeliest tokens that together have the probability ``top_p`` (Holtzman et al., 2020): at least one.

    A token is kept if those before it have less than ``top_p``.
    """
    mass = top_p * weights.sum()
    likeliest = weights
    if len(weights) > _NUM_HOPEFULS:
        hopefuls = np.partition(weights, -_NUM_HOPEFULS)[-_NUM_HOPEFULS:]
        likeliest = hopefuls if hopefuls.sum() >= mass else weights
    descending = np.sort(likeliest)[::-1]
    num_kept = 1 + place_reaching(descending, mass)
    last = descending[num_kept - 1]
    kept: Weights = weights * (weights >= last)
    equals = np.flatnonzero(weights == last)
    num_above = int(np.count_nonzero(descending > last))
    kept[equals[num_kept - num_above :]] = 0.0
    return kept


def _typical(weights: Weights, typical_p: float) -> Weights:
    """Keep the most typical tokens that together have the probability ``typical_p`` (Meister et al., 2023).

    A token is the more typical the closer its surprise, -log p, is to the expected one, the entropy. Tokens that are
    as typical as the last one are kept too.
    """
    probabilities = weights / weights.sum()
    surprises = -np.log(np.maximum(probabilities, _TINY))
    distances = np.abs(surprises - (probabilities * surprises).sum())
    nearest = np.argpartition(distances, _NUM_HOPEFULS)[:_NUM_HOPEFULS] if len(weights) > _NUM_HOPEFULS else None
    if nearest is None or probabilities[nearest].sum() < typical_p:
        nearest = np.arange(len(weights))
    request = nearest[np.argsort(distances[nearest])]
    farthest = distances[request[place_reaching(probabilities[request], typical_p)]]
    kept: Weights = weights * (distances <= farthest)
    return kept
