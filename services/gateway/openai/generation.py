"""What OpenAI's two routes that write text share: from a checked request to an answer, whole or as a stream."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Response, request

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from contracts.jobs import Job
from services.gateway.http import prefer
from services.gateway.http.error_responses import error_document
from services.gateway.http.field_names import own_words, renamed
from services.gateway.jobs.submit import Ask, Submitter
from services.gateway.jobs.synchronous import answer_whole
from services.gateway.openai.answers import CompletionUsage, completion_usage, head_of
from services.gateway.openai.requests import WritingRequest
from services.gateway.settings import GatewaySettings
from services.gateway.streaming.stream_events import Ended
from services.gateway.streaming.stream_response import Dialect, Teller
from services.gateway.tasks.schemas import TASK_BODIES, Submission

TASK = "generate"
DONE = b"[DONE]"


@dataclass(frozen=True)
class Asked:
    """A checked request: the task's own submission, and how its answer is put."""

    tenant: str
    route: str
    wanted: WritingRequest
    submission: Submission
    names: dict[str, str]
    """This route's name of a field of the submission, by its path there; what begins with it is renamed too."""
    answer: Callable[[Job], object]
    dialect: Callable[[Job], Dialect]


def submission_of(wanted: WritingRequest, inputs: object, parameters: object) -> Submission:
    """Return the generate task's submission, of values that are checked."""
    body: Any = TASK_BODIES[TASK]
    found: Submission = body(inputs=inputs, parameters=parameters, model=wanted.model, stream=wanted.stream)
    return found


class Writer:
    """Answers checked requests."""

    def __init__(self, settings: GatewaySettings, submitter: Submitter, teller: Teller) -> None:
        self._max_wait_s = settings.max_wait_s
        self._submitter = submitter
        self._teller = teller

    def respond(self, asked: Asked) -> Response:
        """Answer the whole text, a stream of it, or as ``Prefer`` has it, the job."""
        preference = prefer.of(request, default_wait_s=self._max_wait_s, max_wait_s=self._max_wait_s)
        streams = asked.wanted.stream and not preference.only_the_job
        ask = Ask(
            tenant=asked.tenant,
            # All fields of the request make it this request, not only those that reach the worker.
            route=f"{asked.route} {msgspec.json.encode(asked.wanted).decode()}",
            task=TASK,
            submission=asked.submission,
            idempotency_key=request.headers.get("Idempotency-Key"),
            wait_s=0.0 if streams else preference.wait_s,
        )
        with own_words(asked.names):
            if streams:
                return self._teller.answer(ask, preference, asked.dialect)
            return answer_whole(self._submitter, ask, preference, asked.answer)


class Chunks:
    """A stream of chunks; subclasses say what a piece of text is as choices of a chunk.

    ``index`` of a choice counts the texts of all prompts, those of the first prompt first.
    """

    def __init__(self, job: Job, wanted: WritingRequest, names: dict[str, str], *, kind: str, prefix: str) -> None:
        self._wanted = wanted
        self._names = names
        self._base = {**head_of(job, prefix), "object": kind}

    def grown(self, pieces: list[TextDelta]) -> list[bytes]:
        """Return a chunk for each choice that has grown."""
        return [
            self._chunk([choice])
            for piece in pieces
            for choice in self.choices(piece, piece.input * self._wanted.n + piece.sequence)
        ]

    def ended(self, end: Ended) -> list[bytes]:
        """Return the chunks that are still missing, the usage if it is asked for, and OpenAI's mark of the end."""
        items = self.grown(end.pieces)
        if self._wanted.wants_usage:
            items.append(self._chunk([], completion_usage(end.job)))
        return [*items, DONE]

    def broke(self, error: TriptychError) -> bytes:
        """Return the error in the shape that OpenAI's clients raise."""
        error.param = renamed(error.param, self._names)
        return msgspec.json.encode(error_document(error))

    def choices(self, piece: TextDelta, index: int) -> Iterator[msgspec.Struct]:
        """Yield what one text has grown by, as choices of chunks of their own."""
        raise NotImplementedError

    def _chunk(self, choices: list[msgspec.Struct], usage: CompletionUsage | None = None) -> bytes:
        document: dict[str, object] = {**self._base, "choices": choices}
        if self._wanted.wants_usage:
            document["usage"] = usage
        return msgspec.json.encode(document)
