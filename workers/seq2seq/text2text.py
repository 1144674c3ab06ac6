"""Text2text: whatever else a model was trained to make of a text. Nothing is put before it and nothing is cut up."""

from collections.abc import Sequence

import msgspec

from contracts.jobs import Answer
from contracts.seq2seq import Text2TextOutput, Text2TextRequest
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.answering import answer_of
from workers.seq2seq.chunking.joining import Manner, woven
from workers.seq2seq.chunking.plan import Plan, whole
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.parameters import writing_of
from workers.seq2seq.pipeline import Answer as ChunkAnswer
from workers.seq2seq.pipeline import Rewriting, texts_of


def text2text(model: Seq2SeqModel, job_id: str, request: bytes, work: DecodingWork) -> Answer:
    """Answer one text2text job.

    Raises:
        InvalidRequest: the inputs or the parameters are not for this model.
        Exception: as ``DecodingWork.write``.
    """
    job = msgspec.json.decode(request, type=Text2TextRequest)
    parameters, how = job.parameters, job.parameters.generate_parameters
    texts, params = texts_of(job.inputs)
    manner = Manner(clean_up=parameters.clean_up_tokenization_spaces)
    plans = [whole(text) for text in texts]
    rewriting = Rewriting(
        plans=plans,
        params=params,
        manner=manner,
        instruction=model.instruction,
        fit=parameters.truncation_policy,
        writing=writing_of(how, model.scope, model.instruction, job_id),
        bound=lambda _: model.scope.max_tokens,
        stream=job.stream,
    )
    return answer_of(model, work, rewriting, _rewritten, is_list=isinstance(job.inputs, list))


def _rewritten(plan: Plan, manner: Manner, answers: Sequence[ChunkAnswer]) -> Text2TextOutput:
    text = woven(plan, manner, answers)
    return Text2TextOutput(text=text.text, finish_reason=text.finish_reason)
