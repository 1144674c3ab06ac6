"""The routes of jobs: submit, read, list, cancel, delete. Views only: HTTP in, HTTP out."""

from typing import Any

from flask import Response, request

from contracts.errors import JobNotFound
from contracts.jobs import JOB_ID, STATUSES, Job
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.tasks import TASKS
from services.gateway.http import prefer, query
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import (
    IDEMPOTENCY_KEY,
    JOB_HEADERS,
    JOB_ID_PARAMETER,
    PREFER,
    Answer,
    Operation,
    Parameter,
)
from services.gateway.jobs.submit import Ask, Outcome, Submitter
from services.gateway.jobs.view import JobList, JobView, etag, job_response, json_response, summary
from services.gateway.jobs.waiting import JobWaiter, WakeUps
from services.gateway.settings import GatewaySettings
from services.gateway.tasks.schemas import JOB_BODIES, check_job

JOB_ANY = Answer("The job.", JobView, headers={"ETag": "Changes with each change of the job."})
EXAMPLE: dict[str, Any] = {"task": "embed", "inputs": ["The first text.", "The second."], "metadata": {"batch": "7"}}


def check_id(job_id: str) -> None:
    """Raise JobNotFound for what can't be a job's id, without asking the store."""
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound


def accepted(outcome: Outcome, applied: str) -> Response:
    """Return the 202 that promises a job's end."""
    return with_job_headers(job_response(outcome.job, None, status=202), outcome, applied)


def with_job_headers(response: Response, outcome: Outcome, applied: str) -> Response:
    """Add to an answer which job it is about, and how the request was understood."""
    response.headers["X-Triptych-Job-Id"] = outcome.job.id
    if response.status_code == 202:
        response.headers["Location"] = f"/v1/jobs/{outcome.job.id}"
        response.headers["Retry-After"] = "1"
    if applied:
        response.headers["Preference-Applied"] = applied
    if outcome.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


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
        wake_ups: WakeUps,
        waiter: JobWaiter,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._writer = writer
        self._bodies = bodies
        self._submitter = submitter
        self._wake_ups = wake_ups
        self._waiter = waiter

    def submit(self, tenant: str) -> Response:
        """Accept a job; with ``Prefer: wait`` answer it finished when it is in time."""
        preference = prefer.of(request, default_wait_s=0.0, max_wait_s=self._settings.max_wait_s)
        task, submission = check_job(self._bodies.read_json(request))
        ask = Ask(tenant, "jobs", task, submission, request.headers.get("Idempotency-Key"), preference.wait_s)
        outcome = self._submitter.submit(ask)
        if outcome.job.finished and preference.wait_s > 0:
            return with_job_headers(job_response(outcome.job, None), outcome, preference.applied)
        return accepted(outcome, preference.applied)

    def read(self, tenant: str, job_id: str) -> Response:
        """Answer a job, at once or after a change that the client waits for."""
        check_id(job_id)
        wait_s = query.wait_s(request, self._settings.max_wait_s)
        known = request.if_none_match

        def changed(job: Job) -> bool:
            return not known.contains_weak(etag(job)[3:-1]) if known else job.finished

        with self._wake_ups.watch(job_id) as event:
            job = self._waiter.job(event, job_id, tenant, changed, wait_s)
        if known and not changed(job):
            return Response(status=304, headers={"ETag": etag(job)})
        return self._answer(job)

    def cancel(self, tenant: str, job_id: str) -> Response:
        """Ask for a job to stop and answer it as it then is."""
        check_id(job_id)
        return self._answer(self._writer.cancel(job_id, tenant))

    def delete(self, tenant: str, job_id: str) -> Response:
        """Purge a job."""
        check_id(job_id)
        self._writer.delete(job_id, tenant)
        return Response(status=204)

    def page(self, tenant: str) -> Response:
        """Answer one page of the tenant's jobs."""
        jobs, following = self._reader.page(
            tenant,
            status=query.status(request),
            task=query.task(request),
            after=query.cursor(request),
            limit=query.limit(request, default=20, most=100),
        )
        return json_response(JobList(data=[summary(job) for job in jobs], next_cursor=query.as_cursor(following)))

    def _answer(self, job: Job) -> Response:
        return job_response(job, self._reader.position(job) if job.status == "queued" else None)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        one = (JOB_ID_PARAMETER,)
        wait = Parameter(
            "wait", "query", float, "Seconds to wait for the job's end (or, with `If-None-Match`, change)."
        )
        match = Parameter("If-None-Match", "header", str, "The `ETag` that you have: 304 while the job is still so.")
        return [
            Operation(
                "POST", "/v1/jobs", self.submit, "Jobs", "Submit a job",
                {
                    202: Answer("Accepted: the job reaches an end whatever dies.", JobView, headers=JOB_HEADERS),
                    200: Answer("With `Prefer: wait`: the finished job.", JobView, headers=JOB_HEADERS),
                },
                body=tuple(JOB_BODIES.values()), parameters=(PREFER, IDEMPOTENCY_KEY), example=EXAMPLE,
                errors=(404, 429),
            ),
            Operation(
                "GET", "/v1/jobs", self.page, "Jobs", "List your jobs, newest first",
                {200: Answer("A page of jobs.", JobList)}, parameters=_filters(), errors=(422,),
            ),
            Operation(
                "GET", "/v1/jobs/{job_id}", self.read, "Jobs", "Read a job, or wait for it",
                {200: JOB_ANY, 304: Answer("The job has not changed.")}, parameters=(*one, wait, match), errors=(422,),
            ),
            Operation(
                "POST", "/v1/jobs/{job_id}/cancel", self.cancel, "Jobs", "Cancel a job",
                {200: JOB_ANY}, parameters=one,
                description="Safe to repeat. A queued job ends at once, a running one is `cancelling` until its worker "
                "has stopped it, a finished one stays as it is.",
            ),
            Operation(
                "DELETE", "/v1/jobs/{job_id}", self.delete, "Jobs", "Purge a job, its inputs and its output",
                {204: Answer("Purged; from now on its id answers 410.")}, parameters=one,
            ),
        ]  # fmt: skip


def _filters() -> tuple[Parameter, ...]:
    return (
        Parameter("status", "query", str, f"Only jobs in this state: {', '.join(STATUSES)}."),
        Parameter("task", "query", str, f"Only jobs of this task: {', '.join(TASKS)}, or Hugging Face's name of one."),
        Parameter("cursor", "query", str, "The `next_cursor` of the page before."),
        Parameter("limit", "query", int, "How many jobs a page has, 1 to 100; 20 where it is not given."),
    )
