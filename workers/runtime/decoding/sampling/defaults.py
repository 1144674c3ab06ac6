"""How texts are written where a request leaves it open: what the package says. Shared by all workers that write."""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

from contracts.model_package.manifest import Generation, Manifest
from contracts.model_package.package import PackageError
from contracts.sampling import SamplingParameters
from workers.runtime.decoding.request import Constraints, Sampling

SEED_BITS = 63
"""Of a seed that we choose: any JSON library can hold it, and a client can send it back."""
SAMPLING_PARAMETERS = ("temperature", "top_k", "top_p", "min_p", "typical_p")
"""Parameters that say how tokens are drawn; one of them given means that they are to be."""


def default_sampling(parameters: SamplingParameters, generation: Generation, *, seed: int) -> Sampling:
    """Return how tokens are chosen for one text: as the request says, else as the package does."""
    temperature = given(parameters.temperature, generation.temperature)
    return Sampling(
        do_sample=does_sample(parameters, generation),
        temperature=temperature or 1.0,
        top_k=given(parameters.top_k, generation.top_k),
        top_p=given(parameters.top_p, generation.top_p),
        min_p=given(parameters.min_p, 0.0),
        typical_p=given(parameters.typical_p, 1.0),
        repetition_penalty=generation.repetition_penalty,
        seed=seed % 2**64,
        constraints=constraints_of(generation),
    )


def does_sample(parameters: SamplingParameters, generation: Generation) -> bool:
    """Return whether tokens are drawn. A temperature of 0 means that they are not, whatever else is said."""
    if given(parameters.temperature, generation.temperature) == 0:
        return False
    if parameters.do_sample is not None:
        return parameters.do_sample
    return generation.do_sample or any(getattr(parameters, name) is not None for name in SAMPLING_PARAMETERS)


def seed_of(job_id: str) -> int:
    """Return the seed of a job that names none: the same for every attempt, so that each writes the same text."""
    digest = hashlib.sha256(job_id.encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - SEED_BITS)


def constraints_of(generation: Generation) -> Constraints:
    """Return what the package wants written or not."""
    forced_eos = generation.forced_eos_token_id
    return Constraints(
        no_repeat_ngram_size=generation.no_repeat_ngram_size,
        bad_words=tuple(map(tuple, generation.bad_words_ids)),
        min_length=generation.min_length,
        forced_bos_token_id=generation.forced_bos_token_id,
        forced_eos_token_ids=() if forced_eos is None else (forced_eos,),
        suppress_tokens=tuple(generation.suppress_tokens),
        begin_suppress_tokens=tuple(generation.begin_suppress_tokens),
    )


def check_defaults(manifest: Manifest, generation: Generation, vocabulary: int) -> None:
    """Check what the package says about writing.

    Raises:
        PackageError: a number with which no token can be chosen, or a token that the model does not have.
    """
    sound = {
        "temperature": math.isfinite(generation.temperature) and generation.temperature >= 0,
        "top_p": 0 <= generation.top_p <= 1,
        "repetition_penalty": math.isfinite(generation.repetition_penalty) and generation.repetition_penalty > 0,
        "length_penalty": math.isfinite(generation.length_penalty),
        "suppress_tokens": _below(vocabulary, generation.suppress_tokens),
        "begin_suppress_tokens": _below(vocabulary, generation.begin_suppress_tokens),
        "bad_words_ids": all(word and _below(vocabulary, word) for word in generation.bad_words_ids),
        "decoder_start_token_id": _below(vocabulary, [generation.decoder_start_token_id or 0]),
        "forced_bos_token_id": _below(vocabulary, [generation.forced_bos_token_id or 0]),
        "forced_eos_token_id": _below(vocabulary, [generation.forced_eos_token_id or 0]),
    }
    for name in [name for name, is_sound in sound.items() if not is_sound]:
        raise PackageError(
            f"{manifest.name}: [generation] {name} is {getattr(generation, name)}, and can't be followed"
        )


def given(value: Any, otherwise: Any) -> Any:
    """Return what a request gives, or what else is meant where it gives nothing."""
    return otherwise if value is None else value


def _below(vocabulary: int, token_ids: Iterable[int]) -> bool:
    return all(token < vocabulary for token in token_ids)
