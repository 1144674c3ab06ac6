"""Summarises long texts by map-reduce: chunks are summarised, then their summaries, until the rest fits the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from contracts.generation import FinishReason
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.chunking.joining import ChunkAnswer, StreamJoiner
from workers.seq2seq.chunking.overlapping import overlapping_chunks
from workers.seq2seq.chunking.plan import check_num_chunks
from workers.seq2seq.generation import Chunk, ChunkAnswers, ChunkedJob, chunk_answers, generation_requests
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.usage import UsageCounter

_MAX_ROUNDS = 8
"""A round makes a text about half as long, so that 8 are enough for 256 times what the model can read."""


def estimate_chunk_summary_tokens(num_source_tokens: int) -> int:
    """Return the most tokens of a chunk's summary: half of the chunk, so that each round makes the text shorter."""
    return max(16, num_source_tokens // 2)


async def summarize_in_rounds(model: Seq2SeqModel, work: DecodingWork, job: ChunkedJob) -> ChunkAnswers:
    """Generate one answer to each input, whose plan is a single chunk of any length.

    Only the last round is streamed, and only it returns several sequences. If the summaries of a text's chunks do not
    become shorter than the text, they are its answer, as one sequence.

    Raises:
        InvalidRequest: the model cannot read a text, or it has too many chunks.
        Exception: as ``DecodingWork.generate``.
    """
    return await _MapReduce(model, work, job).run()


@dataclass
class _Text:
    """What is left of an input: the input itself, then the concatenated summaries of its chunks."""

    index: int
    text: str
    num_tokens: int
    num_chunks: int = 0
    """Chunks of all rounds so far."""
    finish_reason: FinishReason = "eos_token"
    """``length`` once the summary of a chunk was cut."""


class _MapReduce:
    def __init__(self, model: Seq2SeqModel, work: DecodingWork, job: ChunkedJob) -> None:
        self._model, self._work, self._job = model, work, job
        self._tokenizer = model.source_tokenizer
        self._count = partial(self._tokenizer.count_tokens, check=work.check)
        self._max_tokens = self._tokenizer.max_text_tokens(job.conditioning)
        self._usage = UsageCounter(items=len(job.plans))
        self._answers: dict[int, list[list[ChunkAnswer]]] = {}

    async def run(self) -> ChunkAnswers:
        """Run rounds until every input has its answer."""
        texts = [plan.chunks[0] for plan in self._job.plans]
        lengths = self._count(texts)
        # Counted once and without chunks: these overlap, and later rounds read summaries.
        num_added = self._tokenizer.num_added_tokens(self._job.conditioning)
        self._usage.tokens_in = sum(lengths) + num_added * len(lengths)
        remaining = [_Text(index, text, lengths[index]) for index, text in enumerate(texts)]
        for _ in range(_MAX_ROUNDS):
            remaining = await self._round(remaining)
        for text in remaining:
            self._keep_as_summary(text)
        return ChunkAnswers([self._answers[index] for index in range(len(texts))], self._usage)

    async def _round(self, texts: Sequence[_Text]) -> list[_Text]:
        """Summarise each text that fits, and each chunk of the others; return those others, shortened."""
        # One call for both, so that short inputs do not wait for long ones and all of them share the model's batches.
        long = [text for text in texts if text.num_tokens > self._max_tokens]
        mapped = [chunk for text in long for chunk in self._chunks(text, self._split(text))]
        final = [
            chunk for text in texts if text.num_tokens <= self._max_tokens for chunk in self._chunks(text, [text.text])
        ]
        job, model = self._job, self._model
        requests = generation_requests(
            model, mapped, job.config.single_sequence(), estimate_chunk_summary_tokens, stream=False
        )
        num_mapped = len(requests)
        requests += generation_requests(model, final, job.config, job.estimate, stream=job.stream)
        plans = {chunk.input: job.plans[chunk.input] for chunk in final}
        joiner = StreamJoiner(plans, job.postprocess, {chunk.input: chunk.part for chunk in final})
        outputs = await self._work.generate(model, requests, joiner) if requests else []
        self._usage.tokens_out += sum(output.num_tokens for output in outputs)
        for (index, _), answers in chunk_answers(model, requests[num_mapped:], outputs[num_mapped:]).items():
            self._answers.setdefault(index, []).append(answers)
        summaries = chunk_answers(model, requests[:num_mapped], outputs[:num_mapped])
        return self._reduce(long, [summaries[text.index, 0] for text in long])

    def _split(self, text: _Text) -> list[str]:
        return overlapping_chunks(text.text, self._max_tokens, self._count, self._work.check)

    def _chunks(self, text: _Text, texts: Sequence[str]) -> list[Chunk]:
        """Return the chunks of an input in this round, numbered after those of earlier rounds, and count them."""
        # Checked in each round and before tokenizing, since all rounds together must stay within a job's limit.
        check_num_chunks(self._usage.chunks + len(texts))
        params = [self._job.params[text.index]] * len(texts)
        sources = self._tokenizer.encode(texts, params, self._job.conditioning, self._job.truncate, self._work.check)
        chunks = [Chunk(text.index, text.num_chunks + number, source) for number, source in enumerate(sources)]
        text.num_chunks += len(chunks)
        for source in sources:
            self._usage.add_chunk(text.index, source)
        return chunks

    def _reduce(self, texts: Sequence[_Text], answers: Sequence[Sequence[ChunkAnswer]]) -> list[_Text]:
        """Replace each text by the summaries of its chunks; return those that have become shorter."""
        joined = [" ".join(summary.strip() for summary, _ in each if summary.strip()) for each in answers]
        lengths = self._count(joined)
        remaining = []
        for text, summaries, length, each in zip(texts, joined, lengths, answers, strict=True):
            is_shorter = 0 < length < text.num_tokens
            text.text, text.num_tokens = summaries, length
            if any(reason == "length" for _, reason in each):
                text.finish_reason = "length"
            if is_shorter:
                remaining.append(text)
            else:
                self._keep_as_summary(text)
        return remaining

    def _keep_as_summary(self, text: _Text) -> None:
        self._answers[text.index] = [[ChunkAnswer(text.text, text.finish_reason)]]
