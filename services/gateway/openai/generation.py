"""What completions and chat completions share: from a checked request to a response, whole or as a stream."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
from flask import Response, request

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from contracts.jobs import Job
from services.gateway.http.error_responses import error_document
from services.gateway.http.field_renaming import field_renaming, rename_fields
from services.gateway.http.prefer import preference_of
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.outputs.answers import AnswerFormat
from services.gateway.jobs.outputs.synchronous import OutputResponder
from services.gateway.jobs.submission import make_submission
from services.gateway.openai.requests import GenerationFields
from services.gateway.openai.responses import CompletionUsage, completion_usage, head_of
from services.gateway.settings import GatewaySettings
from services.gateway.streaming.events import Finished
from services.gateway.streaming.response import StreamFormatter
from services.gateway.streaming.submitter import StreamSubmitter

TASK = "generate"
DONE = b"[DONE]"


@dataclass(frozen=True)
class GenerationCall:
    """A checked request: what it is for the generate task, and how its route responds."""

    tenant: str
    route: str
    body: GenerationFields
    inputs: object
    parameters: object
    names: dict[str, str]
    """This route's names of the task's fields, as for ``field_renaming``."""
    form: AnswerFormat
    details: msgspec.Struct
    formatter_of: Callable[[Job], StreamFormatter]


class GenerationResponder:
    """Submits calls and responds to them."""

    def __init__(self, settings: GatewaySettings, outputs: OutputResponder, streams: StreamSubmitter) -> None:
        self._max_wait_s = settings.max_wait_s
        self._outputs = outputs
        self._streams = streams

    def respond(self, call: GenerationCall) -> Response:
        """Respond with the whole text, with a stream of it, or, if ``Prefer`` says so, with the job."""
        preference = preference_of(request, max_wait_s=self._max_wait_s)
        body = call.body
        streams = body.stream and not preference.only_the_job
        submit = SubmitRequest(
            tenant=call.tenant,
            # All fields of the body distinguish requests with one Idempotency-Key, also those that reach no worker.
            route=call.route,
            body=body,
            submission=make_submission(
                TASK,
                inputs=call.inputs,
                parameters=call.parameters,
                model=body.model,
                priority=body.priority or None,
                stream=body.stream,
            ),
            idempotency_key=request.headers.get("Idempotency-Key"),
            wait_s=0.0 if streams else preference.wait_s,
            cancels_if_gone=not preference.applied,
            has_times=False,
        )
        with field_renaming(call.names):
            if streams:
                return self._streams.respond(submit, preference, call.formatter_of)
            return self._outputs.respond(submit, preference, call.form, call.details)


class ChunkFormatter:
    """Formats a stream of chunks. Subclasses turn deltas into choices of chunks.

    The ``index`` of a choice counts the sequences of all prompts, those of the first prompt first.
    """

    def __init__(self, job: Job, body: GenerationFields, names: dict[str, str], *, kind: str, prefix: str) -> None:
        self._body = body
        self._names = names
        self._head = {**head_of(job, prefix), "object": kind}

    def format_deltas(self, deltas: list[TextDelta]) -> list[bytes]:
        """Return a chunk for each choice."""
        # OpenAI's own servers send one choice in each chunk, and clients may look at the first choice only.
        return [
            self._chunk([choice])
            for delta in deltas
            for choice in self.choices(delta, delta.input * self._body.n + delta.sequence)
        ]

    def format_end(self, end: Finished) -> list[bytes]:
        """Return the chunks that are still missing, the usage if it is requested, and OpenAI's end marker."""
        items = self.format_deltas(end.deltas)
        if self._body.wants_usage:
            items.append(self._chunk([], completion_usage(end.job)))
        return [*items, DONE]

    def format_error(self, error: TriptychError) -> bytes:
        """Return the error in the format that OpenAI's clients raise as an exception."""
        rename_fields(error, self._names)
        return msgspec.json.encode(error_document(error))

    def choices(self, delta: TextDelta, index: int) -> Iterator[msgspec.Struct]:
        """Yield the choices for a delta of the sequence with this index, each for a chunk of its own."""
        raise NotImplementedError

    def _chunk(self, choices: list[msgspec.Struct], usage: CompletionUsage | None = None) -> bytes:
        document: dict[str, object] = {**self._head, "choices": choices}
        # As in OpenAI's API: with `include_usage`, every chunk has the field, and it is null in all but the last.
        if self._body.wants_usage:
            document["usage"] = usage
        return msgspec.json.encode(document)
