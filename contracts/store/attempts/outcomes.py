"""How attempts end, ready to be recorded. Step 7."""

from collections.abc import Sequence
from typing import NamedTuple

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim
from contracts.store.records import packed


class Outcome(NamedTuple):
    """How an attempt has ended, ready to be recorded."""

    claim: Claim
    status: str
    """``succeeded``, ``failed``, or ``cancelled``: the attempt has stopped, and the job ends if a client wants it."""
    fields: Sequence[str | bytes] = ()
    """Fields of the record and their values, in turn."""


def succeeded(claim: Claim, answer: Answer) -> Outcome:
    """Return the outcome of a job that has its one result."""
    fields = (
        *("output", packed(answer.output), "usage", answer.usage, "timings", answer.timings),
        *("model_revision", answer.model_revision),
    )
    return Outcome(claim, "succeeded", fields)


def failed(claim: Claim, error: TriptychError) -> Outcome:
    """Return the outcome of a job that failed, with the reason."""
    # A message may quote text that UTF-8 can't encode (lone surrogates). Raising here would leave the job running.
    fields = [b"error_code", error.code.encode(), b"error_message", error.message.encode(errors="replace")]
    if error.param:
        fields += [b"error_param", error.param.encode(errors="replace")]
    return Outcome(claim, "failed", fields)


def stopped(claim: Claim) -> Outcome:
    """Return the outcome of an attempt that has stopped. It ends the job only if a client cancelled it."""
    return Outcome(claim, "cancelled")
