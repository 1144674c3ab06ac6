"""Beam searches over made-up logits."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from workers.runtime.decoding.beam_search.search import BeamSearch, Hypothesis
from workers.runtime.decoding.request import Beams, GenerationRequest, Sampling

Array = np.ndarray
Tokens = tuple[int, ...]
EOS = 0
_PLAIN = Sampling()


def search_of(
    num_beams: int, max_new_tokens: int = 3, *, eos: tuple[int, ...] = (EOS,), sampling: Sampling = _PLAIN,
    prompt: tuple[int, ...] = (1,), **beams: Any
) -> BeamSearch:  # fmt: skip
    options = Beams(num_beams, **{"num_return_sequences": num_beams, **beams})
    request = GenerationRequest(
        prompt_ids=np.array(prompt, np.int64),
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        beams=options,
        eos_token_ids=frozenset(eos),
    )
    return BeamSearch(request, options)


def run(search: BeamSearch, num_beams: int, logits_after: Callable[[Tokens], Array]) -> list[Hypothesis]:
    """Run a search to its end on a model whose logits depend on the tokens generated so far."""
    generated: list[Tokens] = [()] * num_beams
    while not search.finished:
        continuation = search.advance(np.stack([logits_after(tokens) for tokens in generated]))
        generated = [
            (*generated[beam], token) for beam, token in zip(continuation.beam_idx, continuation.token_ids, strict=True)
        ]
        assert len(generated) == (0 if search.finished else num_beams)
    return search.hypotheses()


def probabilities(*values: float) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(np.array(values, np.float32))


def table(**rows: tuple[float, ...]) -> Callable[[Tokens], Array]:
    """Return logits by the tokens generated so far: ``_`` is for none, ``_12`` for tokens 1 and 2."""
    return lambda tokens: probabilities(*rows.get("_" + "".join(map(str, tokens)), rows["other"]))


def found(hypotheses: list[Hypothesis]) -> list[tuple[list[int], float]]:
    return [(each.token_ids, round(math.exp(each.score), 4)) for each in hypotheses]
