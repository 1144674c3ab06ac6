"""The routes of jobs: submit, read, list, cancel, delete."""

from typing import Annotated, Any

from flask import Response, request
from msgspec import Meta
from werkzeug.datastructures import ETags

from contracts.jobs import STATUSES, Job, JobState, Status
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.tasks import TASKS
from services.gateway.http import query
from services.gateway.http.body import BodyReader
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.foreign_pages import refuse_cross_site
from services.gateway.http.operations import (
    IDEMPOTENCY_KEY,
    JOB_ID_PARAMETER,
    PREFER,
    Operation,
    Parameter,
    ResponseSpec,
)
from services.gateway.http.prefer import preference_of
from services.gateway.http.responses import json_response
from services.gateway.jobs.deliveries import Deliveries
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.places import MIN_RETRY_S, Places
from services.gateway.jobs.responses import (
    ETAG,
    JOB_HEADERS,
    OUTPUT_HEADERS,
    accepted,
    check_id,
    job_response,
    with_job_headers,
)
from services.gateway.jobs.submission import JOB_BODIES, JOB_CHECK
from services.gateway.jobs.submitter import Submitter
from services.gateway.jobs.view import JobList, JobView, etag, summary
from services.gateway.jobs.waiting import JobWaiter
from services.gateway.settings import GatewaySettings

_JOB = ResponseSpec(
    "The job.",
    JobView,
    headers={**ETAG, "Retry-After": JOB_HEADERS["Retry-After"]},
)
_UNCHANGED = ResponseSpec(
    "The job has not changed.",
    headers={"ETag": "The same.", "Retry-After": "Of an unfinished job, unless you waited: when to read it again."},
)
_SUBMITTED = {
    202: ResponseSpec("Accepted: the job reaches an end whatever process dies.", JobView, headers=JOB_HEADERS),
    200: ResponseSpec("With `Prefer: wait`: the finished job.", JobView, headers=ETAG | OUTPUT_HEADERS),
}
_WAITS = (
    Parameter(
        "wait",
        "query",
        Annotated[float, Meta(ge=0)],
        "Seconds to wait for the job's end (or, with `If-None-Match`, change).",
    ),
    Parameter("If-None-Match", "header", str, "The `ETag` that you have: 304 while the job has not changed."),
)
_EXAMPLE: dict[str, Any] = {"task": "embed", "inputs": ["The first text.", "The second."], "metadata": {"batch": "7"}}


class JobRoutes:
    """Views of jobs."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        reader: JobReader,
        writer: JobWriter,
        bodies: BodyReader,
        submitter: Submitter,
        waiter: JobWaiter,
        places: Places,
        deliveries: Deliveries,
    ) -> None:
        self._max_wait_s = settings.max_wait_s
        self._reader = reader
        self._writer = writer
        self._bodies = bodies
        self._submitter = submitter
        self._waiter = waiter
        self._places = places
        self._deliveries = deliveries

    def submit(self, tenant: str) -> Response:
        """Accept a job. With ``Prefer: wait``, respond with the finished job if it is done in time."""
        preference = preference_of(request, max_wait_s=self._max_wait_s, default_wait_s=0.0)
        submission = self._bodies.read(request, JOB_CHECK)
        key = request.headers.get("Idempotency-Key")
        result = self._submitter.submit(SubmitRequest(tenant, "jobs", submission, key, preference.wait_s))
        if result.job.finished and preference.wait_s > 0:
            return with_job_headers(self._job_response(result.job), result, preference.applied)
        return accepted(result, preference.applied)

    def read(self, tenant: str, job_id: str) -> Response:
        """Respond with a job, at once or after its end; with ``If-None-Match``, after any change."""
        check_id(job_id)
        wait_s = query.wait_s(request, self._max_wait_s)
        if wait_s <= 0:
            return self._read(tenant, job_id, 0.0)
        with self._waiter.room.place() as may_wait:
            return self._read(tenant, job_id, wait_s if may_wait else 0.0)

    def _read(self, tenant: str, job_id: str, wait_s: float) -> Response:
        known = request.if_none_match
        with self._waiter.watch(job_id, tenant, disconnect_check(request), every_change=bool(known)) as wait:
            if known:
                state = wait.for_change(lambda one: not _has(known, one), wait_s)
                if _has(known, state):
                    return self._unchanged(tenant, job_id, state, polls=wait_s <= 0)
                wait_s = 0.0
            job = wait.for_end(wait_s)
        return self._job_response(job)

    def _unchanged(self, tenant: str, job_id: str, state: JobState, *, polls: bool) -> Response:
        response = Response(status=304, headers={"ETag": etag(state)})
        # Whoever waits for the change asks again at once.
        if polls and not state.finished:
            job = self._reader.summary(job_id, tenant)
            response.headers["Retry-After"] = str(self._places.retry_after_s(job, self._places.of(job)))
        return response

    def cancel(self, tenant: str, job_id: str) -> Response:
        """Request that a job stops, and respond with its state after that."""
        # Without a body it is as simple a request as a form.
        refuse_cross_site(request)
        check_id(job_id)
        self._writer.cancel(job_id, tenant)
        return self._job_response(self._reader.read(job_id, tenant))

    def delete(self, tenant: str, job_id: str) -> Response:
        """Purge a job."""
        check_id(job_id)
        self._writer.delete(job_id, tenant)
        return Response(status=204)

    def page(self, tenant: str) -> Response:
        """Respond with one page of the tenant's jobs."""
        jobs, following = self._reader.page(
            tenant,
            status=query.status(request),
            task=query.task(request),
            after=query.cursor(request),
            limit=query.limit(request, default=20, most=100),
        )
        return json_response(JobList(data=[summary(job) for job in jobs], next_cursor=query.as_cursor(following)))

    def _job_response(self, job: Job) -> Response:
        if job.finished:
            return job_response(self._deliveries.note(job), None, MIN_RETRY_S)
        place = self._places.of(job)
        return job_response(job, place, self._places.retry_after_s(job, place))

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        one = (JOB_ID_PARAMETER,)
        return [
            Operation(
                "POST", "/v1/jobs", self.submit, "Jobs", "Submit a job", _SUBMITTED, body=tuple(JOB_BODIES.values()),
                parameters=(PREFER, IDEMPOTENCY_KEY), example=_EXAMPLE, errors=(404, 429),
            ),
            Operation(
                "GET", "/v1/jobs", self.page, "Jobs", "List your jobs, newest first",
                {200: ResponseSpec("A page of jobs.", JobList)}, parameters=_filters(), errors=(422,),
            ),
            Operation(
                "GET", "/v1/jobs/{job_id}", self.read, "Jobs", "Read a job, or wait for it",
                {200: _JOB, 304: _UNCHANGED}, parameters=(*one, *_WAITS),
                errors=(422,),
            ),
            Operation(
                "POST", "/v1/jobs/{job_id}/cancel", self.cancel, "Jobs", "Cancel a job",
                {200: _JOB}, parameters=one, errors=(403,),
                description="Safe to repeat. A queued job ends at once, a running one is `cancelling` until its worker "
                "has stopped it, a finished one stays as it is.",
            ),
            Operation(
                "DELETE", "/v1/jobs/{job_id}", self.delete, "Jobs", "Purge a job, its inputs and its output",
                {204: ResponseSpec("Purged; from now on its id answers 410.")}, parameters=one,
            ),
        ]  # fmt: skip


def _has(known: ETags, state: JobState) -> bool:
    # `etag` returns W/"version"; werkzeug's set of tags has what is between the quotation marks.
    return known.contains_weak(etag(state)[3:-1])


def _filters() -> tuple[Parameter, ...]:
    return (
        Parameter("status", "query", Status, f"Only jobs in this state: {', '.join(STATUSES)}."),
        Parameter("task", "query", str, f"Only jobs of this task: {', '.join(TASKS)}, or Hugging Face's name of one."),
        Parameter("cursor", "query", str, "The `next_cursor` of the page before."),
        Parameter("limit", "query", Annotated[int, Meta(ge=1, le=100)], "How many jobs a page has. Default: 20."),
    )
