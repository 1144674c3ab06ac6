"""Translate: texts of one language to those of another, sentence by sentence."""

from collections.abc import Sequence

import msgspec

from contracts.jobs import Answer
from contracts.seq2seq import TranslateOutput, TranslateParameters, TranslateRequest
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.answering import answer_of
from workers.seq2seq.chunking.joining import Manner, woven
from workers.seq2seq.chunking.plan import Plan, by_text_of_html, in_sentences, whole
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.parameters import writing_of
from workers.seq2seq.pipeline import Answer as ChunkAnswer
from workers.seq2seq.pipeline import Rewriting, texts_of
from workers.seq2seq.sources import Instruction


def likely_tokens(num_tokens: int) -> int:
    """Return the most tokens that the same text is likely to have in any other language or spelling.

    A model that has lost its thread repeats itself to the end of its room; here it is stopped long before.
    """
    return 4 * num_tokens + 64


def translate(model: Seq2SeqModel, job_id: str, request: bytes, work: DecodingWork) -> Answer:
    """Answer one translate job.

    Raises:
        InvalidRequest: the inputs, the languages or the parameters are not for this model.
        Exception: as ``DecodingWork.write``.
    """
    job = msgspec.json.decode(request, type=TranslateRequest)
    parameters, how = job.parameters, job.parameters.generate_parameters
    texts, params = texts_of(job.inputs)
    instruction = model.directions.find(
        parameters.src_lang, parameters.tgt_lang, forced=how.forced_bos_token_id is not None
    )
    fit = parameters.truncation_policy
    plans = _plans(model, texts, instruction, in_chunks=fit == "chunk", html=parameters.format == "html")
    manner = _manner(parameters)
    rewriting = Rewriting(
        plans=plans,
        params=params,
        manner=manner,
        instruction=instruction,
        fit=fit,
        writing=writing_of(how, model.scope, instruction, job_id),
        bound=likely_tokens,
        stream=job.stream,
    )
    return answer_of(model, work, rewriting, _translated, is_list=isinstance(job.inputs, list))


def _plans(
    model: Seq2SeqModel, texts: list[str], instruction: Instruction, *, in_chunks: bool, html: bool
) -> list[Plan]:
    if in_chunks:
        room = model.sources.room(instruction)
        return in_sentences(texts, html=html, room=room, measure=model.sources.measure)
    return by_text_of_html(texts) if html else [whole(text) for text in texts]


def _manner(parameters: TranslateParameters) -> Manner:
    is_html = parameters.format == "html"
    return Manner(
        clean_up=parameters.clean_up_tokenization_spaces,
        strips=is_html or parameters.truncation_policy == "chunk",
        spaces=True,
        escapes=is_html,
    )


def _translated(plan: Plan, manner: Manner, answers: Sequence[ChunkAnswer]) -> TranslateOutput:
    text = woven(plan, manner, answers)
    return TranslateOutput(text=text.text, finish_reason=text.finish_reason)
