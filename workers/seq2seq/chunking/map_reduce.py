"""Texts of any length to one short one each: chunks are summarised, then their summaries, until what is left fits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from contracts.generation import FinishReason
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.chunking.joining import Weaver
from workers.seq2seq.chunking.overlapping import overlapping
from workers.seq2seq.chunking.plan import check_num_chunks
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.pipeline import Answer, Chunk, Rewriting, Tally, answers_of, requests_of

_MAX_ROUNDS = 8
"""Each makes a text shorter by half, as a rule."""


def likely_tokens_of_a_chunk(num_tokens: int) -> int:
    """Return the most tokens of a chunk's summary: half of it, so that what is summarised again becomes shorter."""
    return max(16, num_tokens // 2)


def reduce(model: Seq2SeqModel, work: DecodingWork, job: Rewriting) -> tuple[list[list[list[Answer]]], Tally]:
    """Return what ``rewrite`` does, for plans of one chunk of any length; only last summaries are told as they grow.

    Where summaries do not become shorter than what they summarise, they are the answer together, as one sequence.

    Raises:
        InvalidRequest: a text is not for this model, or far too long.
        Exception: as ``DecodingWork.write``.
    """
    return _Reduction(model, work, job).run()


@dataclass
class _Text:
    """An input on its way to its summary."""

    index: int
    text: str
    num_tokens: int
    num_parts: int = 0
    """Chunks so far, of all rounds."""
    finish_reason: FinishReason = "eos_token"
    """``length`` once a chunk's summary was cut."""


class _Reduction:
    def __init__(self, model: Seq2SeqModel, work: DecodingWork, job: Rewriting) -> None:
        self._model, self._work, self._job = model, work, job
        self._room = model.sources.room(job.instruction)
        self._tally = Tally(items=len(job.plans))
        self._answers: dict[int, list[list[Answer]]] = {}

    def run(self) -> tuple[list[list[list[Answer]]], Tally]:
        """Go round after round, with what is left of all inputs side by side."""
        texts = [plan.chunks[0] for plan in self._job.plans]
        lengths = self._model.sources.measure(texts)
        overhead = self._model.sources.overhead(self._job.instruction)
        self._tally.tokens_in = sum(lengths) + overhead * len(lengths)
        left = [_Text(index, text, lengths[index]) for index, text in enumerate(texts)]
        for _ in range(_MAX_ROUNDS):
            left = self._round(left)
        for text in left:
            self._settle(text)
        return [self._answers[index] for index in range(len(texts))], self._tally

    def _round(self, texts: Sequence[_Text]) -> list[_Text]:
        """Summarise what fits for the last time, and chunks of the others; return these, shorter."""
        long = [text for text in texts if text.num_tokens > self._room]
        first = [chunk for text in long for chunk in self._chunks(text, self._cut(text))]
        last = [chunk for text in texts if text.num_tokens <= self._room for chunk in self._chunks(text, [text.text])]
        job, model = self._job, self._model
        requests = requests_of(model, first, job.writing.once(), likely_tokens_of_a_chunk)
        num_first = len(requests)
        requests += [
            replace(request, stream=job.stream) for request in requests_of(model, last, job.writing, job.bound)
        ]
        plans = {chunk.input: job.plans[chunk.input] for chunk in last}
        weaver = Weaver(plans, job.manner, {chunk.input: chunk.part for chunk in last})
        written = self._work.write(model, requests, weaver) if requests else []
        self._tally.tokens_out += sum(text.num_tokens for text in written)
        for (index, _), answers in answers_of(model, requests[num_first:], written[num_first:]).items():
            self._answers.setdefault(index, []).append(answers)
        summaries = answers_of(model, requests[:num_first], written[:num_first])
        return self._again(long, [summaries[text.index, 0] for text in long])

    def _cut(self, text: _Text) -> list[str]:
        return overlapping(text.text, self._room, self._model.sources.measure)

    def _chunks(self, text: _Text, texts: Sequence[str]) -> Iterable[Chunk]:
        """Return chunks of an input, numbered behind those of earlier rounds, and count them."""
        check_num_chunks(self._tally.chunks + len(texts))
        params = [self._job.params[text.index]] * len(texts)
        sources = self._model.sources.of(texts, params, self._job.instruction, self._job.fit)
        chunks = [Chunk(text.index, text.num_parts + number, source) for number, source in enumerate(sources)]
        text.num_parts += len(chunks)
        for source in sources:
            self._tally.read(text.index, source)
        return chunks

    def _again(self, texts: Sequence[_Text], answers: Sequence[Sequence[Answer]]) -> list[_Text]:
        """Put the summaries of each text in its place; return those that are to be summarised again."""
        joined = [" ".join(summary.strip() for summary, _ in each if summary.strip()) for each in answers]
        left = []
        for text, shorter, length, each in zip(
            texts, joined, self._model.sources.measure(joined), answers, strict=True
        ):
            is_shorter = 0 < length < text.num_tokens
            text.text, text.num_tokens = shorter, length
            if any(reason == "length" for _, reason in each):
                text.finish_reason = "length"
            if is_shorter:
                left.append(text)
            else:
                self._settle(text)
        return left

    def _settle(self, text: _Text) -> None:
        """Let the text be its own summary."""
        self._answers[text.index] = [[(text.text, text.finish_reason)]]
