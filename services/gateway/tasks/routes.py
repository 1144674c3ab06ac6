"""The task routes, one for each row of ``contracts.tasks.TASKS``: jobs whose output is the response."""

from flask import Response, request

from contracts.jobs import Job
from contracts.tasks import TASKS
from contracts.tasks.spec import TaskSpec
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import IDEMPOTENCY_KEY, PREFER, Operation, ResponseSpec
from services.gateway.http.prefer import preference_of
from services.gateway.http.responses import no_store
from services.gateway.jobs.deliveries import Deliveries
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.outputs.result import error_of, usage_of
from services.gateway.jobs.responses import JOB_HEADERS, NOT_SUCCEEDED, OUTPUT_HEADERS, accepted, with_job_headers
from services.gateway.jobs.submission import TASK_BODIES, TASK_CHECKS
from services.gateway.jobs.submitter import Submitter
from services.gateway.jobs.view import JobView
from services.gateway.settings import GatewaySettings
from services.gateway.streaming.submitter import StreamSubmitter
from services.gateway.tasks.streams import item_types, respond_with_stream

_OUTPUT_HEADERS = {
    **OUTPUT_HEADERS,
    "X-Triptych-Tokens-In": "Tokens of all inputs.",
    "X-Triptych-Tokens-Used": "Tokens that the model read, after truncation.",
}
_CHUNKS_HEADER = {"X-Triptych-Chunks": "Chunks that all inputs were read in, if the task reads in chunks."}
_DESCRIPTION = (
    "Waits for the output, unless `Prefer` asks for something else. One input is answered by one output, a list of "
    "inputs by a list of outputs in the same order. If you disconnect while you wait, your job is cancelled, unless "
    "you sent `Prefer` or an `Idempotency-Key`."
)
_STREAM_DESCRIPTION = (
    " With `stream` the one output is streamed while it is generated, by server-sent events. The `id` of an event can "
    "be used as `Last-Event-ID` at the job's own events. If you disconnect from a stream, only an `Idempotency-Key` "
    "keeps your job: with it you can come back."
)


class TaskRoutes:
    """Views of tasks."""

    def __init__(
        self,
        settings: GatewaySettings,
        bodies: BodyReader,
        submitter: Submitter,
        streams: StreamSubmitter,
        deliveries: Deliveries,
    ) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bodies = bodies
        self._submitter = submitter
        self._streams = streams
        self._deliveries = deliveries

    def run(self, tenant: str, task: str) -> Response:
        """Respond with a task's output if it is there in time, else with 202 and the job."""
        preference = preference_of(request, max_wait_s=self._max_wait_s)
        submission = self._bodies.read(request, TASK_CHECKS[task])
        key = request.headers.get("Idempotency-Key")
        to_submit = SubmitRequest(
            tenant, task, submission, key, preference.wait_s, cancels_if_gone=not preference.applied
        )
        stream = submission.spec.stream
        # `respond-async` wins over `stream`: the client gets the job, and can follow its events later.
        if stream and submission.stream and not preference.only_the_job:
            return respond_with_stream(self._streams, stream, to_submit, preference)
        result = self._submitter.submit(to_submit)
        # A replayed job may be finished already. A client that asked for the job gets the job then, too.
        if preference.wait_s == 0 or not result.job.finished:
            return accepted(result, preference.applied)
        self._deliveries.note(result.job)
        return with_job_headers(_output(result.job), result, preference.applied)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [self._operation(spec) for spec in TASKS.values()]

    def _operation(self, spec: TaskSpec) -> Operation:
        items = item_types(spec, spec.stream) if spec.stream else ()
        return Operation(
            method="POST",
            path=f"/v1/{spec.name}",
            view=lambda tenant: self.run(tenant, spec.name),
            tag="Tasks",
            summary=spec.summary.rstrip("."),
            description=_DESCRIPTION + (_STREAM_DESCRIPTION if items else ""),
            responses={
                200: ResponseSpec(
                    "The output." + (_describe_stream(items) if items else ""),
                    spec.outputs,
                    headers=_OUTPUT_HEADERS | (_CHUNKS_HEADER if spec.reads_chunks else {}),
                    stream=items or None,
                ),
                202: ResponseSpec("Not done in time: the job.", JobView, headers=JOB_HEADERS),
                **NOT_SUCCEEDED,
            },
            body=TASK_BODIES[spec.name],
            parameters=(PREFER, IDEMPOTENCY_KEY),
            example=spec.example,
            errors=(404, 429),
        )


def _describe_stream(items: tuple[type, ...]) -> str:
    *names, error = (f"a `{item.__name__}`" for item in items)
    return f" With `stream`: events whose data is {' or '.join(names)}; {error} if it ends early."


def _output(job: Job) -> Response:
    if job.status != "succeeded":
        raise error_of(job)
    usage = usage_of(job)
    response = no_store(Response(job.output, mimetype="application/json"))
    response.headers["X-Triptych-Tokens-In"] = str(usage.tokens_in)
    response.headers["X-Triptych-Tokens-Used"] = str(usage.tokens_used)
    if usage.chunks:
        response.headers["X-Triptych-Chunks"] = str(usage.chunks)
    return response
