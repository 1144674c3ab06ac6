"""The task routes, one for each entry of ``contracts.tasks.TASKS``: the same jobs, answered in the task's own shape."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request

from contracts.jobs import Job
from contracts.tasks import TASKS, TaskSpec
from services.gateway.http import prefer
from services.gateway.http.body import BodyReader
from services.gateway.http.error_responses import ErrorDocument
from services.gateway.http.operations import IDEMPOTENCY_KEY, JOB_HEADERS, PREFER, Answer, Operation
from services.gateway.jobs.outcome import raise_unless_succeeded, usage_of
from services.gateway.jobs.routes import accepted, with_job_headers
from services.gateway.jobs.submit import Ask, Submitter
from services.gateway.jobs.view import JobView
from services.gateway.settings import GatewaySettings
from services.gateway.streaming.single_text import StreamError
from services.gateway.tasks.schemas import TASK_BODIES, check_submission
from services.gateway.tasks.text_stream import LAST_ITEMS, TextGrown
from services.gateway.tasks.tgi_stream import StreamItem

OUTPUT_HEADERS = {
    "X-Triptych-Job-Id": JOB_HEADERS["X-Triptych-Job-Id"],
    "X-Triptych-Tokens-In": "Tokens of all inputs.",
    "X-Triptych-Tokens-Used": "Tokens that the model read, after truncation.",
}
CHUNKS_HEADER = {"X-Triptych-Chunks": "Chunks that all inputs were read in, where the task reads in chunks."}
ENDED_BADLY = {
    409: Answer("The job was cancelled while you waited for it.", ErrorDocument),
    500: Answer("The job failed.", ErrorDocument),
    504: Answer("The job ran into its `timeout_s` or its `deadline_s`.", ErrorDocument),
}
EXAMPLES: dict[str, Any] = {
    "embed": {"inputs": ["The first text.", "The second."]},
    "classify": {"inputs": "I love this.", "parameters": {"top_k": 1}},
    "generate": {"inputs": "Once upon a time", "parameters": {"max_new_tokens": 32}, "stream": True},
    "translate": {"inputs": ["Half past four.", "March 3rd."], "parameters": {"src_lang": "en", "tgt_lang": "de"}},
    "summarize": {"inputs": "The first of many sentences. And the next one.", "stream": True},
    "denoise": {"inputs": "Ths sentence hsa typing errors."},
    "text2text": {"inputs": "A text.", "parameters": {"generate_parameters": {"num_beams": 4}}},
}
_STREAMS = (
    " With `stream` the one output is told while it is written, by server-sent events. The `id` of an event is good "
    "for `Last-Event-ID` at the job's own events. When you go away, your job is cancelled, unless you sent an "
    "`Idempotency-Key`, with which you may come back to it."
)
Stream = Callable[[Ask, prefer.Preference], Response]


class TaskRoutes:
    """Views of tasks."""

    def __init__(
        self,
        settings: GatewaySettings,
        bodies: BodyReader,
        submitter: Submitter,
        streams: Mapping[str, Stream],
    ) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bodies = bodies
        self._submitter = submitter
        self._streams = streams
        """What answers a request that wants its answer told while it is written, by task."""

    def run(self, tenant: str, task: str) -> Response:
        """Answer a task's output when it is there in time, else 202 and the job."""
        preference = prefer.of(request, default_wait_s=self._max_wait_s, max_wait_s=self._max_wait_s)
        submission = check_submission(self._bodies.read_json(request), TASK_BODIES[task])
        ask = Ask(tenant, task, task, submission, request.headers.get("Idempotency-Key"), preference.wait_s)
        if getattr(submission, "stream", False) and not preference.only_the_job:
            return self._streams[task](ask, preference)
        outcome = self._submitter.submit(ask)
        if preference.wait_s == 0 or not outcome.job.finished:
            return accepted(outcome, preference.applied)
        return with_job_headers(_output(outcome.job), outcome, preference.applied)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [self._operation(spec) for spec in TASKS.values()]

    def _operation(self, spec: TaskSpec) -> Operation:
        items = (TextGrown, LAST_ITEMS[spec.name]) if spec.name in LAST_ITEMS else (StreamItem,)
        return Operation(
            method="POST",
            path=f"/v1/{spec.name}",
            view=lambda tenant: self.run(tenant, spec.name),
            tag="Tasks",
            summary=spec.summary.rstrip("."),
            description="Waits for the answer, unless `Prefer` asks for something else. One input is answered by one "
            "output, a list of inputs by a list of outputs in the same order." + (_STREAMS if spec.streams else ""),
            answers={
                200: Answer(
                    "The output." + (_stream_answer(items) if spec.streams else ""),
                    (spec.output, list.__class_getitem__(spec.output)),
                    headers=OUTPUT_HEADERS | (CHUNKS_HEADER if _reads_chunks(spec) else {}),
                    stream=(*items, StreamError) if spec.streams else None,
                ),
                202: Answer("Not done within the wait: the job.", JobView, headers=JOB_HEADERS),
                **ENDED_BADLY,
            },
            body=TASK_BODIES[spec.name],
            parameters=(PREFER, IDEMPOTENCY_KEY),
            example=EXAMPLES.get(spec.name, {"inputs": "A text."}),
            errors=(404, 429),
        )


def _reads_chunks(spec: TaskSpec) -> bool:
    return getattr(spec.parameters(), "truncate", None) == "chunk"


def _stream_answer(items: tuple[type, ...]) -> str:
    names = " or ".join(f"a `{item.__name__}`" for item in items)
    return f" With `stream`: events whose data is {names}; a `StreamError` where it ends early."


def _output(job: Job) -> Response:
    raise_unless_succeeded(job)
    usage = usage_of(job)
    response = Response(job.output, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Triptych-Tokens-In"] = str(usage.tokens_in)
    response.headers["X-Triptych-Tokens-Used"] = str(usage.tokens_used)
    if usage.chunks:
        response.headers["X-Triptych-Chunks"] = str(usage.chunks)
    return response
