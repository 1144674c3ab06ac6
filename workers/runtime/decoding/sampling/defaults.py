"""Sampling parameters of a request, completed by the defaults of the package. Shared by all generating workers."""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

from contracts.model_package.graphs import Generation
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import PackageError
from contracts.sampling import SamplingParameters
from workers.runtime.decoding.request import Constraints, Sampling

SEED_BITS = 63
"""Length of a seed that we choose. Every JSON library can represent it, and a client can send it back."""
SAMPLING_PARAMETERS = ("temperature", "top_k", "top_p", "min_p", "typical_p")
"""Parameters that only matter for random sampling. A request that sets one of them asks for it implicitly."""


def default_sampling(parameters: SamplingParameters, generation: Generation, *, seed: int) -> Sampling:
    """Return the sampling of one text: what the request sets, and the package's defaults for the rest."""
    temperature = given(parameters.temperature, generation.temperature)
    return Sampling(
        do_sample=does_sample(parameters, generation),
        temperature=temperature or 1.0,
        top_k=given(parameters.top_k, generation.top_k),
        top_p=given(parameters.top_p, generation.top_p),
        min_p=given(parameters.min_p, 0.0),
        typical_p=given(parameters.typical_p, 1.0),
        repetition_penalty=generation.repetition_penalty,
        # Clients may send negative seeds, and the key of the generator is unsigned.
        seed=seed % 2**64,
        constraints=constraints_of(generation),
    )


def does_sample(parameters: SamplingParameters, generation: Generation) -> bool:
    """Return whether tokens are sampled at random. A temperature of 0 always means greedy search."""
    if given(parameters.temperature, generation.temperature) == 0:
        return False
    if parameters.do_sample is not None:
        return parameters.do_sample
    return generation.do_sample or any(getattr(parameters, name) is not None for name in SAMPLING_PARAMETERS)


def seed_of(job_id: str) -> int:
    """Return the seed of a job that sets none. All attempts at the job get the same, and so generate the same text."""
    # Not `hash`, which Python salts for each process: the retry may run in another one.
    digest = hashlib.sha256(job_id.encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - SEED_BITS)


def constraints_of(generation: Generation) -> Constraints:
    """Return the constraints that the package sets."""
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
    """Check the package's defaults for generation.

    Raises:
        PackageError: a number with which no token can be sampled, or a token id outside of the vocabulary.
    """
    valid = {
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
    for name in [name for name, is_valid in valid.items() if not is_valid]:
        raise PackageError(f"{manifest.name}: [generation] {name} has the invalid value {getattr(generation, name)}")


def given(value: Any, default: Any) -> Any:
    """Return a value that a request sets, or the default if it sets none."""
    return default if value is None else value


def _below(vocabulary: int, token_ids: Iterable[int]) -> bool:
    return all(token < vocabulary for token in token_ids)
