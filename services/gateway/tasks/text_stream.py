"""The streams of tasks that turn a text into another: what the text has grown by, and the whole output at the end.

A text that is read in chunks grows chunk by chunk; one whose beams are searched is told when they are chosen.
"""

from typing import Annotated, Any

import msgspec
from flask import Response
from msgspec import Meta

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from contracts.tasks import TASKS
from services.gateway.http.prefer import Preference
from services.gateway.jobs.submit import Ask
from services.gateway.streaming.single_text import broke, refuse_several
from services.gateway.streaming.stream_events import Ended
from services.gateway.streaming.stream_response import Teller


class TextGrown(msgspec.Struct, frozen=True):
    """What a streamed text has grown by; all of them together are the text."""

    text: Annotated[str, Meta(min_length=1)]


def _last_item(task: str, output: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        f"{task.title()}StreamEnd",
        [("output", output)],
        namespace={"__doc__": "The last item: the whole output, as without `stream`."},
        module=__name__,
        frozen=True,
    )


LAST_ITEMS: dict[str, type[msgspec.Struct]] = {
    spec.name: _last_item(spec.name, spec.output) for spec in TASKS.values() if spec.family == "seq2seq"
}
"""The last item of a stream, by task."""


class Seq2SeqStream:
    """Answers the routes of these tasks where `stream` is true."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def answer(self, ask: Ask, preference: Preference) -> Response:
        """Answer the growing text of a checked request.

        Raises:
            InvalidRequest: the request would have several texts.
        """
        wanted = ask.submission.parameters.generate_parameters
        path = "parameters.generate_parameters.num_return_sequences"
        refuse_several(ask.submission.inputs, wanted.num_return_sequences, path)
        asked = Ask(
            tenant=ask.tenant,
            route=f"{ask.route}/stream",
            task=ask.task,
            submission=ask.submission,
            idempotency_key=ask.idempotency_key,
            wait_s=0.0,
        )
        return self._teller.answer(asked, preference, lambda job: _Dialect(ask.task))


class _Dialect:
    """Items of text, then one with the output."""

    def __init__(self, task: str) -> None:
        self._last_item = LAST_ITEMS[task]

    def grown(self, pieces: list[TextDelta]) -> list[bytes]:
        return [msgspec.json.encode(TextGrown(piece.text)) for piece in pieces if piece.text]

    def ended(self, end: Ended) -> list[bytes]:
        return [*self.grown(end.pieces), msgspec.json.encode(self._last_item(end.outputs[0]))]

    def broke(self, error: TriptychError) -> bytes:
        return broke(error)
