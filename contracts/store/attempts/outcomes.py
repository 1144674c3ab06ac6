"""How attempts end, ready to be recorded. Step 7."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim
from contracts.price.estimate import Consumed
from contracts.store.records import packed


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt has ended, ready to be recorded."""

    claim: Claim
    status: str
    """``succeeded``, ``failed``, or ``cancelled``: the attempt has stopped, and the job ends if a client wants it."""
    fields: Mapping[str, str] = MappingProxyType({})
    """Of the record."""
    output: bytes | None = None
    """As the store keeps it."""
    consumed: Consumed = Consumed()
    """As far as it is known."""
    num_bytes_out: int = 0
    """Of the output as clients get it."""

    @property
    def num_bytes(self) -> int:
        """Size of what is to be recorded."""
        return len(self.output or b"") + sum(map(len, self.fields.values()))


def succeeded(claim: Claim, answer: Answer) -> Outcome:
    """Return the outcome of a job that has its one result."""
    fields = {
        "usage": answer.usage.decode(),
        "timings": answer.timings.decode(),
        "model_revision": answer.model_revision,
    }
    return Outcome(claim, "succeeded", fields, packed(answer.output), num_bytes_out=len(answer.output))


def failed(claim: Claim, error: TriptychError) -> Outcome:
    """Return the outcome of a job that failed, with the reason."""
    # A message may quote text that UTF-8 can't encode (lone surrogates). Raising here would leave the job running.
    fields = {"error_code": error.code, "error_message": _encodable(error.message)}
    if error.param:
        fields["error_param"] = _encodable(error.param)
    return Outcome(claim, "failed", fields)


def stopped(claim: Claim) -> Outcome:
    """Return the outcome of an attempt that has stopped. It ends the job only if a client cancelled it."""
    return Outcome(claim, "cancelled")


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
