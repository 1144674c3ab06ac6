"""What a finished job has produced, for routes that respond with its output instead of the job."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
from msgspec.structs import fields

from contracts.errors import TriptychError, by_code
from contracts.jobs import Job, Usage
from contracts.tasks import TASKS
from contracts.tasks.spec import TaskSpec
from services.gateway.http.errors import JobCancelled, JobExpired


class _Decoders:
    """Decoders of one task's outputs, which may have several sequences each."""

    def __init__(self, spec: TaskSpec) -> None:
        sequences = next(field.type for field in fields(spec.output) if field.name == "sequences")
        undecoded: Any = msgspec.field(default_factory=list)
        kind = msgspec.defstruct("Output", [("sequences", list[msgspec.Raw], undecoded)], bases=(spec.output,))
        self._output: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._sequences: msgspec.json.Decoder[Any] = msgspec.json.Decoder(get_args(sequences)[0])

    def decode(self, raw: msgspec.Raw, pause: Callable[[], None]) -> Any:
        """Return one output, as the task's own type but for its class."""
        output, sequences = self._output.decode(raw), []
        for sequence in output.sequences:
            pause()
            sequences.append(self._sequences.decode(sequence))
        return msgspec.structs.replace(output, sequences=sequences)


# Only of tasks that stream. Other outputs are passed on undecoded, and one answer could not be distinguished from a
# list of answers: a vector is a list too.
_DECODERS: dict[str, _Decoders] = {spec.name: _Decoders(spec) for spec in TASKS.values() if spec.stream}


def error_of(job: Job) -> TriptychError:
    """Return the error with which a finished job ended that did not succeed."""
    if job.status == "cancelled":
        return JobCancelled()
    if job.status == "expired":
        return JobExpired()
    # The class is found by its code, so that the status is the same as if the error had been raised here.
    if job.error is not None:
        return by_code(job.error.code)(job.error.message, param=job.error.param)
    return TriptychError()


def usage_of(job: Job) -> Usage:
    """Return the numbers of tokens of a succeeded job."""
    return msgspec.json.decode(job.usage or b"null", type=Usage)


def outputs_of(job: Job, pause: Callable[[], None] = lambda: None) -> list[Any]:
    """Return the answer to each input of a succeeded job whose task streams.

    ``pause`` is called between two sequences: those with many likely tokens take some hundredths of a second each.
    """
    output = job.output or b"[]"
    raws = msgspec.json.decode(output, type=list[msgspec.Raw]) if output[:1] == b"[" else [msgspec.Raw(output)]
    answers = []
    for raw in raws:
        pause()
        answers.append(_DECODERS[job.task].decode(raw, pause))
    return answers
