"""Denoise: texts to the same texts without errors, with the edits that correct them."""

from collections.abc import Sequence

from contracts.seq2seq import DenoiseOutput, DenoiseRequest, Edit
from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, join_answers
from workers.seq2seq.chunking.plan import ChunkPlan
from workers.seq2seq.pipelines.edits import edits_between
from workers.seq2seq.pipelines.sentence_pipeline import SentencePipeline


class DenoisePipeline(SentencePipeline[DenoiseRequest]):
    """Rewrites sentences and compares each with its correction."""

    request_type = DenoiseRequest
    output_type = DenoiseOutput
    output_takes_long = True

    def output(self, plan: ChunkPlan, options: PostprocessOptions, answers: Sequence[ChunkAnswer]) -> DenoiseOutput:
        """Return the corrected text with its edits."""
        joined = join_answers(plan, options, answers)
        edits = _edits(plan, options, answers)
        return DenoiseOutput(text=joined.text, finish_reason=joined.finish_reason, edits=edits)


def _edits(plan: ChunkPlan, options: PostprocessOptions, answers: Sequence[ChunkAnswer]) -> list[Edit]:
    """Return the edits of all chunks, with offsets in the whole input."""
    edits: list[Edit] = []
    position = 0
    # Chunk by chunk, so that the time of the comparison grows with the length of the text and not with its square.
    for index, (chunk, (text, reason)) in enumerate(zip(plan.chunks, answers, strict=True)):
        position += len(plan.separators[index])
        edits += edits_between(chunk, options.apply(text), position)
        position += len(chunk)
        if reason == "stop_sequence":
            # A stop string ends the whole answer, so the edits must delete the rest of the input.
            rest = sum(map(len, (*plan.chunks[index + 1 :], *plan.separators[index + 1 :])))
            return [*edits, Edit(position, rest, [""])] if rest else edits
    return edits
