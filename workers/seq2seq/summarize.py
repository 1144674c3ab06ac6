"""Summarize: texts to short ones. What the model can't read at once is summarised in chunks, and then the summaries."""

from collections.abc import Sequence

import msgspec

from contracts.jobs import Answer
from contracts.seq2seq import SummarizeOutput, SummarizeRequest
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.answering import answer_of
from workers.seq2seq.chunking.joining import Manner, woven
from workers.seq2seq.chunking.map_reduce import reduce
from workers.seq2seq.chunking.plan import Plan, whole
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.parameters import writing_of
from workers.seq2seq.pipeline import Answer as ChunkAnswer
from workers.seq2seq.pipeline import Rewriting, rewrite, texts_of


def summarize(model: Seq2SeqModel, job_id: str, request: bytes, work: DecodingWork) -> Answer:
    """Answer one summarize job.

    Raises:
        InvalidRequest: the inputs or the parameters are not for this model.
        Exception: as ``DecodingWork.write``.
    """
    job = msgspec.json.decode(request, type=SummarizeRequest)
    parameters, how = job.parameters, job.parameters.generate_parameters
    texts, params = texts_of(job.inputs)
    rewriting = Rewriting(
        plans=[whole(text) for text in texts],
        params=params,
        manner=Manner(clean_up=parameters.clean_up_tokenization_spaces),
        instruction=model.instruction,
        fit=parameters.truncation_policy,
        writing=writing_of(how, model.scope, model.instruction, job_id),
        bound=_likely_tokens,
        stream=job.stream,
    )
    run = reduce if rewriting.fit == "chunk" else rewrite
    return answer_of(model, work, rewriting, _summarized, is_list=isinstance(job.inputs, list), run=run)


def _likely_tokens(num_tokens: int) -> int:
    """Return the most tokens of a summary: no more than the text has, unless that is very short."""
    return max(64, num_tokens)


def _summarized(plan: Plan, manner: Manner, answers: Sequence[ChunkAnswer]) -> SummarizeOutput:
    text = woven(plan, manner, answers)
    return SummarizeOutput(text=text.text, finish_reason=text.finish_reason)
