"""From what was written to the answer of a job."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from contracts.jobs import Answer
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.rewriting import Tally

Output = TypeVar("Output", bound=msgspec.Struct)


def with_sequences(sequences: Sequence[Output]) -> Output:
    """Return the best of an input's answers, with all of them in its ``sequences`` where there are several."""
    best = sequences[0]
    return msgspec.structs.replace(best, sequences=list(sequences)) if len(sequences) > 1 else best


def answer_of(
    model: Seq2SeqModel, work: DecodingWork, outputs: Sequence[msgspec.Struct], tally: Tally, *, is_list: bool
) -> Answer:
    """Return the answer of a job: a list of outputs for a list of inputs."""
    return Answer(
        output=msgspec.json.encode(outputs if is_list else outputs[0]),
        usage=msgspec.json.encode(tally.usage()),
        timings=work.timings(),
        model_revision=model.revision,
    )
