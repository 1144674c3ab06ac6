"""Responses about a job: how routes send them, and how the OpenAPI document describes them."""

from urllib.parse import quote

from flask import Response

from contracts.errors import JobNotFound
from contracts.job_ids import JOB_ID
from contracts.jobs import Job
from services.gateway.http.error_responses import ErrorDocument
from services.gateway.http.operations import ResponseSpec
from services.gateway.http.responses import json_response
from services.gateway.jobs.submitter import SubmitResult
from services.gateway.jobs.view import JobView, QueuePlace, etag, view

MAX_REVISION = 200
"""Characters of a revision that a header shows. The job has it whole."""
MODEL_HEADERS = {
    "X-Triptych-Model": "The model that runs the job.",
    "X-Triptych-Revision": "The model's revision, once the output is computed.",
}
OUTPUT_HEADERS = {
    "X-Triptych-Job-Id": "The job's id.",
    "Preference-Applied": "What was applied of `Prefer`; `respond-async` if too many requests wait already.",
    **MODEL_HEADERS,
    "Idempotent-Replayed": "Only with an Idempotency-Key: `true` if an earlier request with it has made the job.",
}
"""Of responses with what became of a job."""
ETAG = {"ETag": "Changes with each change of the job. Its place in the queue is none: other jobs move it."}
JOB_HEADERS = {
    "Location": "Where the job is read.",
    "Retry-After": "Of an unfinished job: seconds to wait before reading it, until it is probably done, 600 at most.",
    **ETAG,
    **OUTPUT_HEADERS,
}
"""Of 202 with the job."""
JOB_IF_PREFERRED = {202: ResponseSpec("Only with `Prefer`: the job.", JobView, headers=JOB_HEADERS)}
"""For routes whose clients expect the output and know no jobs."""
NOT_SUCCEEDED = {
    409: ResponseSpec("The job was cancelled while you waited for it.", ErrorDocument),
    500: ResponseSpec("The job failed.", ErrorDocument),
    504: ResponseSpec("The job reached its `timeout_s` or its `deadline_s`.", ErrorDocument),
}
"""How a job may end on routes that respond with its output."""


def check_id(job_id: str) -> None:
    """Raise JobNotFound for an id that no job can have, without a call to the store."""
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound


def job_response(job: Job, place: QueuePlace | None, retry_after_s: int, *, status: int = 200) -> Response:
    """Return the whole job as a response, with its ETag, and until it is finished with a pause before the next poll."""
    response = json_response(view(job, place), status)
    response.headers["ETag"] = etag(job)
    if not job.finished:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def accepted(result: SubmitResult, applied: str) -> Response:
    """Return 202 and the job: from now on it reaches an end."""
    response = job_response(result.job, result.place, result.retry_after_s, status=202)
    return with_job_headers(response, result, "respond-async" if result.crowded else applied)


def with_job_headers(response: Response, result: SubmitResult, applied: str) -> Response:
    """Add the headers that name the job and its model, and say how the request was understood."""
    response.headers["X-Triptych-Job-Id"] = result.job.id
    response.headers["X-Triptych-Model"] = result.job.model
    if result.job.model_revision:
        # Authors of packages choose it, and a header takes neither line breaks nor letters beyond ASCII.
        response.headers["X-Triptych-Revision"] = quote(result.job.model_revision[:MAX_REVISION], safe="/:+@=, ")
    if response.status_code == 202:
        response.headers["Location"] = f"/v1/jobs/{result.job.id}"
    if applied:
        response.headers["Preference-Applied"] = applied
    if result.has_key:
        response.headers["Idempotent-Replayed"] = str(result.replayed).lower()
    return response
