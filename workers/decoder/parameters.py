"""What a request says about writing, put together with what the package says where it is silent. Step 5 of a job."""

from dataclasses import replace

from contracts.generation import GenerateParameters
from contracts.model_package.manifest import Generation
from workers.runtime.decoding.request import Sampling
from workers.runtime.decoding.sampling.defaults import default_sampling, given


def sampling_of(parameters: GenerateParameters, generation: Generation, *, seed: int, stream_number: int) -> Sampling:
    """Return how tokens are chosen for one text: as the request says, else as the package does."""
    return replace(
        default_sampling(parameters, generation, seed=seed),
        repetition_penalty=given(parameters.repetition_penalty, generation.repetition_penalty),
        frequency_penalty=parameters.frequency_penalty,
        presence_penalty=parameters.presence_penalty,
        stream_number=stream_number,
    )


def not_followed(generation: Generation) -> list[str]:
    """Return the fields of the package's defaults that are set to something and that this worker has no code for."""
    return ["num_beams"] if generation.num_beams > 1 else []
