"""Plans of texts to answers: sources, orders, and what is written put back to where it belongs. Steps 5 and 6 of a job.

What all tasks of this worker have in common; what is their own they hand in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from contracts.generation import MAX_SEQUENCES, FinishReason
from contracts.jobs import Usage
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.chunking.joining import Manner, Weaver
from workers.seq2seq.chunking.plan import Plan
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.parameters import Writing
from workers.seq2seq.sources import Fit, Instruction, Source

Bound = Callable[[int], int]
"""From the tokens of a source to the most that are likely to be needed for its answer."""
Answer = tuple[str, FinishReason]
"""To one chunk."""


def texts_of(inputs: str | list[str]) -> tuple[list[str], list[str]]:
    """Return the inputs of a request, and where each of them stands in it."""
    if isinstance(inputs, str):
        return [inputs], ["inputs"]
    return inputs, [f"inputs[{index}]" for index in range(len(inputs))]


@dataclass
class Tally:
    """What a job weighs; see `Usage`. Each source is counted with special tokens and prompt."""

    items: int
    tokens_in: int = 0
    tokens_used: int = 0
    tokens_out: int = 0
    chunks: int = 0
    truncated: set[int] = field(default_factory=set)

    def read(self, index: int, source: Source) -> None:
        """Count a chunk of an input."""
        self.tokens_used += source.num_tokens
        self.chunks += 1
        if source.num_tokens < source.tokens_in:
            self.truncated.add(index)

    def usage(self) -> Usage:
        """Return it as the answer tells it."""
        return Usage(
            items=self.items,
            tokens_in=self.tokens_in,
            tokens_used=self.tokens_used,
            truncated_items=len(self.truncated),
            tokens_out=self.tokens_out,
            chunks=self.chunks,
        )


@dataclass(frozen=True)
class Chunk:
    """One source, and whose it is."""

    input: int
    part: int
    source: Source


def requests_of(
    model: Seq2SeqModel, chunks: Iterable[Chunk], writing: Writing, bound: Bound
) -> list[GenerationRequest]:
    """Return what is to be written for each chunk: one order for a search, else one for each sequence."""
    requests = []
    for chunk in chunks:
        num_tokens = chunk.source.num_tokens
        request = replace(
            writing.request(chunk.source.token_ids, bound(num_tokens)), input=chunk.input, part=chunk.part
        )
        if model.answers_as_long:
            request = replace(request, max_new_tokens=min(num_tokens, writing.lengths.asked or num_tokens))
        for sequence in range(1 if writing.beams else writing.num_sequences):
            number = sequence + MAX_SEQUENCES * chunk.part
            requests.append(
                replace(request, sequence=sequence, sampling=replace(request.sampling, stream_number=number))
            )
    return requests


def answers_of(
    model: Seq2SeqModel, requests: Sequence[GenerationRequest], written: Sequence[GenerationOutput]
) -> dict[tuple[int, int], list[Answer]]:
    """Return by input and sequence the answers to its chunks, in order."""
    texts = iter(written)
    found: dict[tuple[int, int], list[Answer]] = {}
    for request in requests:
        for step in range(request.beams.num_return_sequences if request.beams else 1):
            text = next(texts)
            reason = text.finish_reason
            if model.answers_as_long and reason == "length":
                reason = "eos_token" if request.max_new_tokens == len(request.source_ids) else reason
            found.setdefault((request.input, request.sequence + step), []).append((text.text, reason))
    return found


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """What is to be rewritten, and how."""

    plans: Sequence[Plan]
    params: Sequence[str]
    """Where each of them stands in the request."""
    manner: Manner
    instruction: Instruction
    fit: Fit
    writing: Writing
    bound: Bound
    stream: bool


def rewrite(model: Seq2SeqModel, work: DecodingWork, job: Rewriting) -> tuple[list[list[list[Answer]]], Tally]:
    """Return for each plan its sequences, each the answers to the plan's chunks; and what the job weighed.

    Raises:
        InvalidRequest: a chunk is not for this model.
        Exception: as ``DecodingWork.write``.
    """
    tally = Tally(items=len(job.plans))
    numbers = [(index, part) for index, plan in enumerate(job.plans) for part in range(len(plan.chunks))]
    texts = [job.plans[index].chunks[part] for index, part in numbers]
    params = [job.params[index] for index, _ in numbers]
    sources = model.sources.of(texts, params, job.instruction, job.fit)
    chunks = [Chunk(index, part, source) for (index, part), source in zip(numbers, sources, strict=True)]
    for chunk in chunks:
        tally.tokens_in += chunk.source.tokens_in
        tally.read(chunk.input, chunk.source)
    requests = requests_of(model, chunks, job.writing, job.bound)
    if job.stream:
        requests = [replace(request, stream=True) for request in requests]
    written = work.write(model, requests, Weaver(dict(enumerate(job.plans)), job.manner))
    tally.tokens_out = sum(text.num_tokens for text in written)
    found = answers_of(model, requests, written)
    sequences = range(job.writing.num_sequences)
    return [[found.get((index, number), []) for number in sequences] for index in range(len(job.plans))], tally
