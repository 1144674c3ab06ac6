"""The generate task: continues texts and conversations. Step 5 on the path of a job."""

from collections.abc import Sequence

from contracts.errors import InvalidRequest
from contracts.generation import Details, GeneratedSequence, GenerateOutput, GenerateParameters, GenerateRequest
from contracts.jobs import Usage
from workers.decoder.model import DecoderModel
from workers.decoder.parameters import sampling_of
from workers.decoder.prompts import Prompt
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest, Repeated
from workers.runtime.decoding.sampling.defaults import seed_of
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.models.served import TaskOutput

MAX_DETAIL_TOKENS = 1_000_000
"""Tokens with log-probabilities in one job. They take about 200 MB while the job runs."""


async def generate(model: DecoderModel, job: GenerateRequest, work: DecodingWork) -> TaskOutput:
    """Run one generate job.

    Raises:
        InvalidRequest: the inputs or the parameters don't suit this model.
        Exception: as ``DecodingWork.generate``.
    """
    if job.stream and job.parameters.num_sequences > job.parameters.n:
        raise InvalidRequest(
            "The best sequences are known only at the end, so they can't be streamed: leave out best_of, or stream.",
            param="parameters.best_of",
        )
    if _takes_long(job):
        await work.hand_over()
    # Everything that can be refused is refused before the first request reaches the engine.
    prompts = model.prompts.of(job, work.check)
    _check_details(prompts, job.parameters)
    seed = seed_of(work.job_id) if job.parameters.seed is None else job.parameters.seed
    outputs = await work.generate(model, requests_of(prompts, job, model, seed))
    if job.parameters.details:
        await work.hand_over()
    size = job.parameters.num_sequences
    answers = [
        output_of(prompt, outputs[index * size : (index + 1) * size], job, seed) for index, prompt in enumerate(prompts)
    ]
    return TaskOutput(answers, _usage(prompts, outputs))


def requests_of(prompts: Sequence[Prompt], job: GenerateRequest, model: DecoderModel, seed: int) -> Repeated:
    """Return the requests to the engine: ``num_sequences`` for each prompt."""
    parameters = job.parameters
    # Inputs are not counted: a prompt gets the same text in a list and by itself.
    samplings = [
        sampling_of(parameters, model.generation, seed=seed, stream_number=sequence)
        for sequence in range(parameters.num_sequences)
    ]
    eos_token_ids, stops = frozenset(model.generation.eos_token_ids), parameters.stops
    firsts = [
        GenerationRequest(
            prompt_ids=prompt.token_ids,
            max_new_tokens=prompt.max_new_tokens,
            sampling=samplings[0],
            eos_token_ids=eos_token_ids,
            stop_strings=stops,
            logprobs=parameters.details,
            ranked=_is_ranked(job),
            top_n_tokens=parameters.top_n_tokens,
            stream=job.stream,
            input=index,
        )
        for index, prompt in enumerate(prompts)
    ]
    return Repeated(firsts, samplings)


def output_of(prompt: Prompt, outputs: Sequence[GenerationOutput], job: GenerateRequest, seed: int) -> GenerateOutput:
    """Return the output for one input from all sequences that were generated for it."""
    # The sort is stable: of equal scores the sequence with the lower number comes first.
    best = sorted(outputs, key=lambda output: -output.mean_logprob) if _is_ranked(job) else outputs
    sequences = [_sequence(prompt, output, job.parameters, seed) for output in best[: job.parameters.n]]
    first = sequences[0]
    return GenerateOutput(
        generated_text=first.generated_text,
        finish_reason=first.finish_reason,
        details=first.details,
        sequences=sequences if job.parameters.n > 1 else [],
    )


def _is_ranked(job: GenerateRequest) -> bool:
    """Return whether the sequences are sorted, the best first."""
    # Streamed sequences keep their numbers: clients have seen their deltas under these.
    return job.parameters.num_sequences > 1 and not job.stream


def _sequence(prompt: Prompt, output: GenerationOutput, parameters: GenerateParameters, seed: int) -> GeneratedSequence:
    details = Details(
        finish_reason=output.finish_reason,
        generated_tokens=output.num_tokens,
        seed=seed if output.request.sampling.do_sample else None,
        tokens=output.tokens,
        top_tokens=output.top_tokens,
    )
    return GeneratedSequence(
        generated_text=prompt.text + output.text if parameters.return_full_text else output.text,
        finish_reason=output.finish_reason,
        details=details if parameters.details else None,
    )


def _takes_long(job: GenerateRequest) -> bool:
    """Return whether the prompts of a short request may take long: conversations are rendered by another process."""
    inputs = job.inputs if isinstance(job.inputs, list) else [job.inputs]
    return any(not isinstance(one, str) for one in inputs)


def _check_details(prompts: Sequence[Prompt], parameters: GenerateParameters) -> None:
    """Refuse a request whose details could exceed the worker's memory."""
    num_tokens = parameters.num_sequences * sum(prompt.max_new_tokens for prompt in prompts)
    num_detail_tokens = num_tokens * (1 + parameters.top_n_tokens) if parameters.details else 0
    if num_detail_tokens > MAX_DETAIL_TOKENS:
        raise InvalidRequest(
            f"The details could have {num_detail_tokens} tokens, top_n_tokens included; the limit of one job is "
            f"{MAX_DETAIL_TOKENS}. Send fewer inputs, or ask for fewer or shorter texts.",
            param="parameters.details",
        )


def _usage(prompts: Sequence[Prompt], outputs: Sequence[GenerationOutput]) -> Usage:
    """Return the job's usage. A prompt counts once, however many sequences continue it."""
    return Usage(
        items=len(prompts),
        tokens_in=sum(prompt.tokens_in for prompt in prompts),
        tokens_used=sum(len(prompt.token_ids) for prompt in prompts),
        truncated_items=sum(len(prompt.token_ids) < prompt.tokens_in for prompt in prompts),
        tokens_out=sum(output.num_tokens for output in outputs),
    )
