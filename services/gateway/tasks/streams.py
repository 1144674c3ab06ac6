"""Maps the kinds of streams that rows of tasks name to their formats."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
from flask import Response

from contracts.tasks.spec import TaskSpec
from contracts.tasks.streams import StreamSpec
from services.gateway.http.prefer import Preference
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.streaming.error_item import StreamError
from services.gateway.streaming.response import StreamFormatter
from services.gateway.streaming.submitter import StreamSubmitter
from services.gateway.tasks import text_stream, token_stream


@dataclass(frozen=True)
class _Format:
    item_types: Callable[[TaskSpec], tuple[type[msgspec.Struct], ...]]
    open_stream: Callable[[SubmitRequest], tuple[SubmitRequest, StreamFormatter]]


_FORMATS = {
    "text": _Format(text_stream.item_types, text_stream.open_stream),
    "tokens": _Format(token_stream.item_types, token_stream.open_stream),
}


def item_types(spec: TaskSpec, stream: StreamSpec) -> tuple[type[msgspec.Struct], ...]:
    """Return the types of the items of a task's stream, the last of them the one that ends it early."""
    return (*_FORMATS[stream.items].item_types(spec), StreamError)


def respond_with_stream(
    streams: StreamSubmitter, stream: StreamSpec, request: SubmitRequest, preference: Preference
) -> Response:
    """Submit a request whose task streams as ``stream`` says, and respond with its stream.

    Raises:
        InvalidRequest: this request has several texts as its answer, and only one can be streamed.
        TriptychError: as ``StreamSubmitter.respond``.
    """
    stream.check(request.submission.inputs, request.submission.parameters)
    # The submit must not wait for the job's end: the stream begins before that.
    to_submit, formatter = _FORMATS[stream.items].open_stream(replace(request, wait_s=0.0))
    return streams.respond(to_submit, preference, lambda job: formatter)
