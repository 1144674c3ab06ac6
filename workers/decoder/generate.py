"""Generate: texts and conversations to what the model writes next."""

from collections.abc import Sequence

import msgspec

from contracts.errors import InvalidRequest
from contracts.generation import Details, GeneratedSequence, GenerateOutput, GenerateParameters, GenerateRequest
from contracts.jobs import Answer, Usage
from workers.decoder.model import DecoderModel
from workers.decoder.parameters import sampling_of
from workers.decoder.prompts import Prompt
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest
from workers.runtime.decoding.sampling.defaults import seed_of
from workers.runtime.decoding.work import DecodingWork

MAX_TOLD_TOKENS = 1_000_000
"""Tokens with their log-probabilities in one answer: about 200 MB while the job runs."""


def generate(model: DecoderModel, job_id: str, request: bytes, work: DecodingWork) -> Answer:
    """Answer one generate job: what is written for one input; a list of that for a list of inputs.

    Raises:
        InvalidRequest: the inputs or the parameters are not for this model.
        Exception: as ``DecodingWork.write``.
    """
    job = msgspec.json.decode(request, type=GenerateRequest)
    if job.stream and job.parameters.num_sequences > job.parameters.n:
        raise InvalidRequest(
            "Which texts are the best is known at their end, so they can't be streamed: leave out best_of, or stream.",
            param="parameters.best_of",
        )
    prompts = model.prompts.of(job)
    _check_size(prompts, job.parameters)
    seed = seed_of(job_id) if job.parameters.seed is None else job.parameters.seed
    written = work.write(model, requests_of(prompts, job, model, seed))
    size = job.parameters.num_sequences
    answers = [
        answer_of(prompt, written[index * size : (index + 1) * size], job, seed) for index, prompt in enumerate(prompts)
    ]
    return Answer(
        output=msgspec.json.encode(answers if isinstance(job.inputs, list) else answers[0]),
        usage=msgspec.json.encode(_usage(prompts, written)),
        timings=work.timings(),
        model_revision=model.revision,
    )


def requests_of(
    prompts: Sequence[Prompt], job: GenerateRequest, model: DecoderModel, seed: int
) -> list[GenerationRequest]:
    """Return what is to be written: for each prompt as many texts as the request wants, side by side."""
    parameters = job.parameters
    return [
        GenerationRequest(
            prompt_ids=prompt.token_ids,
            max_new_tokens=prompt.max_new_tokens,
            sampling=sampling_of(parameters, model.generation, seed=seed, stream_number=sequence),
            eos_token_ids=frozenset(model.generation.eos_token_ids),
            stop_strings=parameters.stops,
            logprobs=parameters.details,
            ranked=_ranked(job),
            top_n_tokens=parameters.top_n_tokens,
            stream=job.stream,
            input=index,
            sequence=sequence,
        )
        for index, prompt in enumerate(prompts)
        for sequence in range(parameters.num_sequences)
    ]


def answer_of(prompt: Prompt, written: Sequence[GenerationOutput], job: GenerateRequest, seed: int) -> GenerateOutput:
    """Return the answer to one input, from all texts that were written for it."""
    best = sorted(written, key=lambda text: -text.mean_logprob) if _ranked(job) else written
    sequences = [_sequence(prompt, text, job.parameters, seed) for text in best[: job.parameters.n]]
    first = sequences[0]
    return GenerateOutput(
        generated_text=first.generated_text,
        finish_reason=first.finish_reason,
        details=first.details,
        sequences=sequences if job.parameters.n > 1 else [],
    )


def _ranked(job: GenerateRequest) -> bool:
    """Return whether the best text comes first. Streamed texts keep the numbers under which clients have seen them."""
    return job.parameters.num_sequences > 1 and not job.stream


def _sequence(
    prompt: Prompt, written: GenerationOutput, parameters: GenerateParameters, seed: int
) -> GeneratedSequence:
    details = Details(
        finish_reason=written.finish_reason,
        generated_tokens=written.num_tokens,
        seed=seed if written.request.sampling.do_sample else None,
        tokens=written.tokens,
        top_tokens=written.top_tokens,
    )
    return GeneratedSequence(
        generated_text=prompt.text + written.text if parameters.return_full_text else written.text,
        finish_reason=written.finish_reason,
        details=details if parameters.details else None,
    )


def _check_size(prompts: Sequence[Prompt], parameters: GenerateParameters) -> None:
    """Refuse details that would not fit into memory, and into no answer that anybody reads."""
    num_tokens = parameters.num_sequences * sum(prompt.max_new_tokens for prompt in prompts)
    num_told = num_tokens * (1 + parameters.top_n_tokens) if parameters.details else 0
    if num_told > MAX_TOLD_TOKENS:
        raise InvalidRequest(
            f"Details of up to {num_told} tokens, alternatives counted, are asked for; {MAX_TOLD_TOKENS} are the most "
            "of one job. Send fewer inputs, or ask for fewer or shorter texts.",
            param="parameters.details",
        )


def _usage(prompts: Sequence[Prompt], written: Sequence[GenerationOutput]) -> Usage:
    """Return what the job weighed: each prompt once, however many texts continue it."""
    return Usage(
        items=len(prompts),
        tokens_in=sum(prompt.tokens_in for prompt in prompts),
        tokens_used=sum(len(prompt.token_ids) for prompt in prompts),
        truncated_items=sum(len(prompt.token_ids) < prompt.tokens_in for prompt in prompts),
        tokens_out=sum(text.num_tokens for text in written),
    )
