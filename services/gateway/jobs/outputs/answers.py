"""Makes answers whose format is not that of the stored output: small ones at once, large ones in a child process.

A route that passes the stored output on does not come here: that costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from contracts.jobs import Job
from services.gateway.http.errors import AnswerTooLarge, ClientDisconnected
from services.gateway.http.request_facts import current_facts
from services.gateway.jobs.outputs.packing import pack
from services.gateway.offload.client import Offload
from services.gateway.offload.errors import CallLimitExceeded, GatewayBusy, GatewayShareReached

MIB = 1 << 20


@dataclass(frozen=True)
class AnswerFormat:
    """How a route's answer is made of a job and of ``details``, which are whatever it needs besides."""

    make: Callable[[bytes], bytes]
    """From what ``pack`` returns to JSON. It is at the top of a module, as ``Offload`` wants it."""
    at_once_bytes: int
    """What is not longer than this, packed, is made on the event loop: it takes some milliseconds at most."""


class AnswerMaker:
    """Makes the answers of all routes."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload

    def make(self, form: AnswerFormat, job: Job, details: msgspec.Struct, disconnected: Callable[[], bool]) -> bytes:
        """Return a succeeded job's answer. ``disconnected`` is asked before a large one is begun.

        Raises:
            AnswerTooLarge: it takes more time or memory than an answer may.
            GatewayBusy, GatewayShareReached: too many large answers wait.
            ClientDisconnected: nobody waits for it any more.
        """
        packed = pack(job, details)
        if len(packed) <= form.at_once_bytes:
            return form.make(packed)

        def check_client() -> None:
            if disconnected():
                raise ClientDisconnected

        where = f"read it at /v1/jobs/{job.id}."
        try:
            return self._offload.call(form.make, packed, owner=current_facts().owner, on_turn=check_client)
        except CallLimitExceeded as error:
            raise AnswerTooLarge(f"The output is too large for this format. As it is, {where}") from error
        except GatewayShareReached as error:
            raise GatewayShareReached(
                f"Too many of your large answers are made now. The job is done: {where}"
            ) from error
        except GatewayBusy as error:
            raise GatewayBusy(f"The gateway is busy with large answers. The job is done: {where}") from error
