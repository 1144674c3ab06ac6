"""Resolves how a job's answers are generated: the request's parameters, completed by the package's defaults.

Step 5 on the path of a job. transformers' ``generate`` does the same when it merges its arguments into the model's
``generation_config``.
"""

from dataclasses import dataclass, replace

import numpy as np

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.graphs import Generation
from workers.runtime.decoding.request import Beams, Ids, Sampling
from workers.runtime.decoding.sampling.defaults import (
    SAMPLING_PARAMETERS,
    default_sampling,
    does_sample,
    given,
    seed_of,
)
from workers.seq2seq.constraints import resolve_constraints
from workers.seq2seq.lengths import PARAM, LengthLimits, length_limits
from workers.seq2seq.model_config import ModelConfig
from workers.seq2seq.source_tokenizer import Conditioning


@dataclass(frozen=True)
class GenerationConfig:
    """How the answers of a job are generated, whatever their sources."""

    decoder_input_ids: Ids
    """int64 [tokens], what the decoder starts with."""
    sampling: Sampling
    beams: Beams | None
    """None: no beam search."""
    eos_token_ids: frozenset[int]
    stop_strings: tuple[str, ...]
    lengths: LengthLimits
    num_return_sequences: int

    def single_sequence(self) -> "GenerationConfig":
        """Return the same with one sequence for each source."""
        beams = replace(self.beams, num_return_sequences=1) if self.beams else None
        return replace(self, num_return_sequences=1, beams=beams)


def resolve_generation_config(
    parameters: GenerationParameters, model: ModelConfig, conditioning: Conditioning, job_id: str
) -> GenerationConfig:
    """Return how the answers of a job are generated.

    Raises:
        InvalidRequest: the model cannot follow the parameters, or they contradict its package's defaults.
    """
    generation = model.generation
    beams = _beams(parameters, generation, model.max_sequences)
    sampling = _sampling(parameters, generation, beams, job_id)
    start = given(conditioning.decoder_start_token_id, generation.decoder_start_token_id)
    decoder_input_ids = np.array([given(start, generation.bos_token_id) or 0], np.int64)
    lengths = length_limits(
        parameters, generation, num_start_tokens=len(decoder_input_ids), max_tokens=model.max_tokens
    )
    return GenerationConfig(
        decoder_input_ids=decoder_input_ids,
        sampling=replace(sampling, constraints=resolve_constraints(parameters, model, conditioning, lengths)),
        beams=beams,
        eos_token_ids=frozenset(generation.eos_token_ids),
        stop_strings=parameters.stops,
        lengths=lengths,
        num_return_sequences=parameters.num_return_sequences,
    )


def _beams(parameters: GenerationParameters, generation: Generation, max_sequences: int) -> Beams | None:
    """Return the request's beam search, else the package's unless the request samples; None: no beam search."""
    wants_sampling = does_sample(parameters, Generation())
    if (parameters.num_beams or 1) > 1 and wants_sampling:
        name = next((name for name in SAMPLING_PARAMETERS if getattr(parameters, name) is not None), "do_sample")
        raise InvalidRequest(f"Beam search does not sample: leave out {name}, or num_beams.", param=f"{PARAM}.{name}")
    num_beams = parameters.num_beams
    if num_beams is None:
        num_beams = 1 if does_sample(parameters, generation) else generation.num_beams
    if num_beams == 1:
        return None
    _check_beams(parameters, num_beams, max_sequences)
    return Beams(
        num_beams=num_beams,
        num_return_sequences=parameters.num_return_sequences,
        length_penalty=given(parameters.length_penalty, generation.length_penalty),
        early_stopping=given(parameters.early_stopping, generation.early_stopping),
    )


def _sampling(parameters: GenerationParameters, generation: Generation, beams: Beams | None, job_id: str) -> Sampling:
    # A retried attempt must generate the text that was streamed already, so a job without a seed gets one from its id.
    seed = seed_of(job_id) if parameters.seed is None else parameters.seed
    sampling = default_sampling(parameters, generation, seed=seed)
    if parameters.num_return_sequences > 1 and not beams and not sampling.do_sample:
        raise InvalidRequest(
            "Greedy decoding gives one answer only: set num_beams or do_sample, or leave out num_return_sequences.",
            param=f"{PARAM}.num_return_sequences",
        )
    return replace(
        sampling,
        do_sample=sampling.do_sample and beams is None,
        repetition_penalty=given(parameters.repetition_penalty, generation.repetition_penalty),
    )


def _check_beams(parameters: GenerationParameters, num_beams: int, max_sequences: int) -> None:
    # The request's own parameters were checked when they were decoded: from the second check on, the beams are the
    # package's.
    if num_beams > max_sequences:
        raise InvalidRequest(
            f"num_beams is {num_beams}; this worker has room for {max_sequences} sequences (TRIPTYCH_MAX_ROWS).",
            param=f"{PARAM}.num_beams",
        )
    if parameters.num_return_sequences > num_beams:
        raise InvalidRequest(
            f"num_return_sequences is {parameters.num_return_sequences}, but the model's default is a search with "
            f"{num_beams} beams: set num_beams.",
            param=f"{PARAM}.num_return_sequences",
        )
    if parameters.stops:
        raise InvalidRequest(
            f"The model's default is a search with {num_beams} beams, which cannot stop at a text: set num_beams to 1, "
            "or leave out stop.",
            param=f"{PARAM}.stop",
        )
