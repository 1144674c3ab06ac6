"""A job from its plans to its answer: what is written, put together, with what it weighed and how long it took."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from contracts import jobs
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.chunking.joining import Manner
from workers.seq2seq.chunking.plan import Plan
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.pipeline import Answer, Rewriting, Tally, rewrite

Output = TypeVar("Output", bound=msgspec.Struct)
OutputOf = Callable[[Plan, Manner, Sequence[Answer]], Output]
"""From a plan and the answers to its chunks to the output of a task."""
Rewrite = Callable[[Seq2SeqModel, DecodingWork, Rewriting], tuple[list[list[list[Answer]]], Tally]]


def answer_of(
    model: Seq2SeqModel,
    work: DecodingWork,
    job: Rewriting,
    output_of: OutputOf[Output],
    *,
    is_list: bool,
    run: Rewrite = rewrite,
) -> jobs.Answer:
    """Write what a job wants written; return its answer: a list of outputs for a list of inputs.

    Raises:
        InvalidRequest: a chunk is not for this model.
        Exception: as ``DecodingWork.write``.
    """
    answers, tally = run(model, work, job)
    outputs = [
        _with_sequences([output_of(plan, job.manner, chunks) for chunks in sequences])
        for plan, sequences in zip(job.plans, answers, strict=True)
    ]
    return jobs.Answer(
        output=msgspec.json.encode(outputs if is_list else outputs[0]),
        usage=msgspec.json.encode(tally.usage()),
        timings=work.timings(),
        model_revision=model.revision,
    )


def _with_sequences(sequences: Sequence[Output]) -> Output:
    """Return the best of an input's answers, with all of them in its ``sequences`` where there are several."""
    best = sequences[0]
    return msgspec.structs.replace(best, sequences=list(sequences)) if len(sequences) > 1 else best
