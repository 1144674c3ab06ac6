"""Sampling of a generate request: its parameters, completed by the defaults of the package. Step 5 of a job's path."""

from dataclasses import replace

from contracts.generation import GenerateParameters
from contracts.model_package.graphs import Generation
from workers.runtime.decoding.request import Sampling
from workers.runtime.decoding.sampling.defaults import default_sampling, given


def sampling_of(parameters: GenerateParameters, generation: Generation, *, seed: int, stream_number: int) -> Sampling:
    """Return the sampling of one text: what the request sets, and the package's defaults for the rest."""
    return replace(
        default_sampling(parameters, generation, seed=seed),
        repetition_penalty=given(parameters.repetition_penalty, generation.repetition_penalty),
        frequency_penalty=parameters.frequency_penalty,
        presence_penalty=parameters.presence_penalty,
        stream_number=stream_number,
    )


def unsupported_defaults(generation: Generation) -> list[str]:
    """Return the names of defaults that the package sets and this worker does not implement."""
    return ["num_beams"] if generation.num_beams > 1 else []
