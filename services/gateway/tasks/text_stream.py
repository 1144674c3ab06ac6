"""The format of streams of text: items with a text delta each, and at the end the whole output.

A text whose input is read in chunks grows by a chunk at a time. One whose beams are searched comes in one delta, since
which beam wins is known only at the end.
"""

from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from contracts.tasks import TASKS
from contracts.tasks.spec import TaskSpec
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.streaming.error_item import encode_error
from services.gateway.streaming.events import Finished
from services.gateway.streaming.response import StreamFormatter


class TextDeltaItem(msgspec.Struct, frozen=True):
    """A delta of a streamed text; all of them together are the text."""

    text: Annotated[str, Meta(min_length=1)]


def _last_item(spec: TaskSpec) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        f"{spec.type_name}StreamEnd",
        [("output", spec.output)],
        namespace={"__doc__": "The last item: the whole output, as without `stream`."},
        module=__name__,
        frozen=True,
    )


_LAST_ITEMS: dict[str, type[msgspec.Struct]] = {
    spec.name: _last_item(spec) for spec in TASKS.values() if spec.stream and spec.stream.items == "text"
}


def item_types(spec: TaskSpec) -> tuple[type[msgspec.Struct], ...]:
    """Return the types of the items of a task's stream, for the API document."""
    return TextDeltaItem, _LAST_ITEMS[spec.name]


def open_stream(request: SubmitRequest) -> tuple[SubmitRequest, StreamFormatter]:
    """Return the request to submit and the formatter of its stream."""
    # A stream, and the job of the same body with `Prefer: respond-async`, are two requests for one Idempotency-Key.
    return replace(request, route=f"{request.route}/stream"), _Formatter(_LAST_ITEMS[request.submission.spec.name])


class _Formatter:
    def __init__(self, last_item: type[msgspec.Struct]) -> None:
        self._last_item = last_item

    def format_deltas(self, deltas: list[TextDelta]) -> list[bytes]:
        return [msgspec.json.encode(TextDeltaItem(delta.text)) for delta in deltas if delta.text]

    def format_end(self, end: Finished) -> list[bytes]:
        return [*self.format_deltas(end.deltas), msgspec.json.encode(self._last_item(end.outputs[0]))]

    def format_error(self, error: TriptychError) -> bytes:
        return encode_error(error)
