"""What a request says about writing, put together with what the package says where it is silent. Step 5 of a job."""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

from contracts.generation import GenerateParameters
from workers.runtime.decoding.order import Constraints, Sampling
from workers.runtime.manifest import Generation, Manifest
from workers.runtime.model_package import PackageError

SEED_BITS = 63
"""Of a seed that we choose: any JSON library can hold it, and a client can send it back."""
_DRAWING = ("temperature", "top_k", "top_p", "min_p", "typical_p")


def sampling_of(parameters: GenerateParameters, generation: Generation, *, seed: int, stream_number: int) -> Sampling:
    """Return how tokens are chosen for one text: as the request says, else as the package does."""
    temperature = _first(parameters.temperature, generation.temperature)
    return Sampling(
        do_sample=_draws(parameters, generation) and temperature > 0,
        temperature=temperature or 1.0,
        top_k=_first(parameters.top_k, generation.top_k),
        top_p=_first(parameters.top_p, generation.top_p),
        min_p=_first(parameters.min_p, 0.0),
        typical_p=_first(parameters.typical_p, 1.0),
        repetition_penalty=_first(parameters.repetition_penalty, generation.repetition_penalty),
        frequency_penalty=parameters.frequency_penalty,
        presence_penalty=parameters.presence_penalty,
        seed=seed % 2**64,
        stream_number=stream_number,
        constraints=constraints_of(generation),
    )


def seed_of(job_id: str) -> int:
    """Return the seed of a job that names none: the same for every attempt, so that each writes the same text."""
    digest = hashlib.sha256(job_id.encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - SEED_BITS)


def constraints_of(generation: Generation) -> Constraints:
    """Return what the package wants written or not, whatever a request says."""
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
        "suppress_tokens": _below(vocabulary, generation.suppress_tokens),
        "begin_suppress_tokens": _below(vocabulary, generation.begin_suppress_tokens),
        "bad_words_ids": all(word and _below(vocabulary, word) for word in generation.bad_words_ids),
        "forced_bos_token_id": _below(vocabulary, [generation.forced_bos_token_id or 0]),
        "forced_eos_token_id": _below(vocabulary, [generation.forced_eos_token_id or 0]),
    }
    for name in [name for name, is_sound in sound.items() if not is_sound]:
        raise PackageError(
            f"{manifest.name}: [generation] {name} is {getattr(generation, name)}, and can't be followed"
        )


def not_followed(generation: Generation) -> list[str]:
    """Return the fields of the package's defaults that are set to something and that this worker has no code for."""
    return ["num_beams"] if generation.num_beams > 1 else []


def _below(vocabulary: int, token_ids: Iterable[int]) -> bool:
    return all(token < vocabulary for token in token_ids)


def _draws(parameters: GenerateParameters, generation: Generation) -> bool:
    if parameters.do_sample is not None:
        return parameters.do_sample
    return generation.do_sample or any(getattr(parameters, name) is not None for name in _DRAWING)


def _first(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value
