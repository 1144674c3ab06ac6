"""Denoise: texts to the same texts without errors, sentence by sentence, with what was changed."""

from collections.abc import Sequence

import msgspec

from contracts.jobs import Answer
from contracts.seq2seq import DenoiseOutput, DenoiseRequest, Edit
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.answering import answer_of
from workers.seq2seq.chunking.joining import Manner, woven
from workers.seq2seq.chunking.plan import Plan, in_sentences, whole
from workers.seq2seq.edits import edits_of
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.parameters import writing_of
from workers.seq2seq.pipeline import Answer as ChunkAnswer
from workers.seq2seq.pipeline import Rewriting, texts_of
from workers.seq2seq.translate import likely_tokens


def denoise(model: Seq2SeqModel, job_id: str, request: bytes, work: DecodingWork) -> Answer:
    """Answer one denoise job.

    Raises:
        InvalidRequest: the inputs or the parameters are not for this model.
        Exception: as ``DecodingWork.write``.
    """
    job = msgspec.json.decode(request, type=DenoiseRequest)
    parameters, how = job.parameters, job.parameters.generate_parameters
    texts, params = texts_of(job.inputs)
    fit = parameters.truncation_policy
    manner = Manner(clean_up=parameters.clean_up_tokenization_spaces, strips=fit == "chunk")
    plans = _plans(model, texts, in_chunks=fit == "chunk")
    rewriting = Rewriting(
        plans=plans,
        params=params,
        manner=manner,
        instruction=model.instruction,
        fit=fit,
        writing=writing_of(how, model.scope, model.instruction, job_id),
        bound=likely_tokens,
        stream=job.stream,
    )
    return answer_of(model, work, rewriting, _corrected, is_list=isinstance(job.inputs, list))


def _plans(model: Seq2SeqModel, texts: list[str], *, in_chunks: bool) -> list[Plan]:
    if not in_chunks:
        return [whole(text) for text in texts]
    room = model.sources.room(model.instruction)
    return in_sentences(texts, html=False, room=room, measure=model.sources.measure)


def _corrected(plan: Plan, manner: Manner, answers: Sequence[ChunkAnswer]) -> DenoiseOutput:
    text = woven(plan, manner, answers)
    return DenoiseOutput(text=text.text, finish_reason=text.finish_reason, edits=_edits(plan, manner, answers))


def _edits(plan: Plan, manner: Manner, answers: Sequence[ChunkAnswer]) -> list[Edit]:
    """Return the edits of all chunks. Behind a stop text nothing of the input is left."""
    edits: list[Edit] = []
    position = 0
    for index, (chunk, (text, reason)) in enumerate(zip(plan.chunks, answers, strict=True)):
        position += len(plan.gaps[index])
        edits += edits_of(chunk, manner.finished(text), position)
        position += len(chunk)
        if reason == "stop_sequence":
            rest = sum(map(len, (*plan.chunks[index + 1 :], *plan.gaps[index + 1 :])))
            return [*edits, Edit(position, rest, [""])] if rest else edits
    return edits
