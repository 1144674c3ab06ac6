"""Generates the answers to all chunks of a job, side by side. Steps 5 and 6 on the path of a job.

`generate_chunks` serves texts that are split once. Texts that are summarised in several rounds go through
`workers.seq2seq.pipelines.map_reduce`, which is built from the same functions.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from contracts.generation import MAX_SEQUENCES
from contracts.seq2seq import TruncateOrChunk
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.tokenizing.reading import Check
from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, StreamJoiner
from workers.seq2seq.chunking.plan import ChunkPlan
from workers.seq2seq.generation_config import GenerationConfig
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.source_tokenizer import Conditioning, EncoderInput
from workers.seq2seq.usage import UsageCounter

LengthEstimate = Callable[[int], int | None]
"""From the number of a source's tokens to the most tokens that its answer is likely to need; None: no estimate."""


@dataclass(frozen=True, kw_only=True)
class ChunkedJob:
    """The inputs of a job, split into chunks, and how to generate and join the answers."""

    plans: Sequence[ChunkPlan]
    """One for each input."""
    params: Sequence[str]
    """Request field of each input, for error messages."""
    conditioning: Conditioning
    truncate: TruncateOrChunk
    config: GenerationConfig
    estimate: LengthEstimate
    postprocess: PostprocessOptions
    stream: bool


class ChunkAnswers(NamedTuple):
    """What was generated for a job."""

    answers: list[list[list[ChunkAnswer]]]
    """By input, sequence and chunk."""
    usage: UsageCounter


class Chunk(NamedTuple):
    """One chunk of an input."""

    input: int
    part: int
    """Index of the chunk within its input."""
    source: EncoderInput


async def generate_chunks(model: Seq2SeqModel, work: DecodingWork, job: ChunkedJob) -> ChunkAnswers:
    """Generate the answers to all chunks.

    Raises:
        InvalidRequest: the model cannot read a chunk.
        Exception: as ``DecodingWork.generate``.
    """
    usage = UsageCounter(items=len(job.plans))
    chunks = _encoded_chunks(model, job, work.check)
    for chunk in chunks:
        usage.tokens_in += chunk.source.tokens_in
        usage.add_chunk(chunk.input, chunk.source)
    requests = generation_requests(model, chunks, job.config, job.estimate, stream=job.stream)
    outputs = await work.generate(model, requests, StreamJoiner(dict(enumerate(job.plans)), job.postprocess))
    usage.tokens_out = sum(output.num_tokens for output in outputs)
    answers = chunk_answers(model, requests, outputs)
    sequences = range(job.config.num_return_sequences)
    # An input without chunks, such as a line of dashes, has no answers; its sequences are empty lists.
    by_input = [[answers.get((index, sequence), []) for sequence in sequences] for index in range(len(job.plans))]
    return ChunkAnswers(by_input, usage)


def _encoded_chunks(model: Seq2SeqModel, job: ChunkedJob, check: Check) -> list[Chunk]:
    positions = [(index, part) for index, plan in enumerate(job.plans) for part in range(len(plan.chunks))]
    texts = [job.plans[index].chunks[part] for index, part in positions]
    params = [job.params[index] for index, _ in positions]
    sources = model.source_tokenizer.encode(texts, params, job.conditioning, job.truncate, check)
    return [Chunk(index, part, source) for (index, part), source in zip(positions, sources, strict=True)]


def generation_requests(
    model: Seq2SeqModel, chunks: Iterable[Chunk], config: GenerationConfig, estimate: LengthEstimate, *, stream: bool
) -> list[GenerationRequest]:
    """Return the engine's requests: one for each sequence of each chunk, or one for each chunk's beam search."""
    requests = []
    for chunk in chunks:
        for sequence in range(1 if config.beams else config.num_return_sequences):
            # Sampling is seeded by job and stream number. It counts chunks too, or equal sentences of a text would get
            # equal answers. It does not count inputs: an input gets the same answer in a list and by itself.
            sampling = replace(config.sampling, stream_number=sequence + MAX_SEQUENCES * chunk.part)
            requests.append(
                GenerationRequest(
                    prompt_ids=config.decoder_input_ids,
                    source_ids=chunk.source.input_ids,
                    max_new_tokens=_max_new_tokens(model, chunk.source, config, estimate),
                    sampling=sampling,
                    beams=config.beams,
                    eos_token_ids=config.eos_token_ids,
                    stop_strings=config.stop_strings,
                    stream=stream,
                    input=chunk.input,
                    sequence=sequence,
                    part=chunk.part,
                )
            )
    return requests


def _max_new_tokens(
    model: Seq2SeqModel, source: EncoderInput, config: GenerationConfig, estimate: LengthEstimate
) -> int:
    if model.output_has_source_length:
        return min(source.tokens_used, config.lengths.requested or source.tokens_used)
    return config.lengths.max_new_tokens(estimate(source.tokens_used))


def chunk_answers(
    model: Seq2SeqModel, requests: Sequence[GenerationRequest], outputs: Sequence[GenerationOutput]
) -> dict[tuple[int, int], list[ChunkAnswer]]:
    """Return the answers to an input's chunks, in order, by input and sequence.

    Args:
        model: the model that generated.
        requests: as from ``generation_requests``.
        outputs: as the engine returns them: in the order of the requests, all sequences of a beam search in a row.
    """
    remaining = iter(outputs)
    answers: dict[tuple[int, int], list[ChunkAnswer]] = {}
    for request in requests:
        for beam in range(request.beams.num_return_sequences if request.beams else 1):
            output = next(remaining)
            reason = output.finish_reason
            if model.output_has_source_length and reason == "length":
                # Such a model has no end-of-text token: it is complete when it has a token for each of the source.
                reason = "eos_token" if request.max_new_tokens == len(request.source_ids) else reason
            key = request.input, request.sequence + beam
            answers.setdefault(key, []).append(ChunkAnswer(output.text, reason))
    return answers
