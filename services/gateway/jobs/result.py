"""What a finished job has produced, for routes that respond with its output instead of the job."""

from typing import Any

import msgspec

from contracts.errors import TriptychError, by_code
from contracts.jobs import Job, Usage
from contracts.tasks import TASKS
from services.gateway.http.errors import JobCancelled, JobExpired

# Only of tasks that stream. Other outputs are passed on undecoded, and one answer could not be distinguished from a
# list of answers: a vector is a list too.
_OUTPUTS: dict[str, msgspec.json.Decoder[Any]] = {
    spec.name: msgspec.json.Decoder(spec.output | list.__class_getitem__(spec.output))
    for spec in TASKS.values()
    if spec.stream
}


def raise_unless_succeeded(job: Job) -> None:
    """Raise the error with which a finished job ended, if it did not succeed."""
    if job.status == "cancelled":
        raise JobCancelled
    if job.status == "expired":
        raise JobExpired
    # The class is found by its code, so that the status is the same as if the error had been raised here.
    if job.error is not None:
        raise by_code(job.error.code)(job.error.message, param=job.error.param)
    if job.status == "failed":
        raise TriptychError


def usage_of(job: Job) -> Usage:
    """Return the numbers of tokens of a succeeded job."""
    return msgspec.json.decode(job.usage or b"null", type=Usage)


def outputs_of(job: Job) -> list[Any]:
    """Return the answer to each input of a succeeded job whose task streams, as the task's own type."""
    output = _OUTPUTS[job.task].decode(job.output or b"[]")
    return output if isinstance(output, list) else [output]
