"""The synchronous response, for routes whose clients know no jobs: they get a job only if they set ``Prefer``."""

from collections.abc import Callable

from flask import Response

from contracts.jobs import Job
from services.gateway.http.errors import WaitExceeded
from services.gateway.http.prefer import Preference
from services.gateway.http.responses import json_response
from services.gateway.jobs.responses import accepted, with_job_headers
from services.gateway.jobs.result import raise_unless_succeeded
from services.gateway.jobs.submitter import SubmitRequest, Submitter


def respond_with_output(
    submitter: Submitter, request: SubmitRequest, preference: Preference, document_of: Callable[[Job], object]
) -> Response:
    """Submit the job, wait for it, and respond with what ``document_of`` makes of the succeeded job.

    Raises:
        WaitExceeded: the job is not done in time, and the client did not ask for a job.
        TriptychError: the job was not accepted, or it did not succeed.
    """
    result = submitter.submit(request)
    job = result.job
    # A client that did not set `Prefer` could not parse a job, so it gets an error instead.
    if preference.applied and (preference.wait_s == 0 or not job.finished):
        return accepted(result, preference.applied)
    if not job.finished:
        raise WaitExceeded(f"Not done within {request.wait_s:g} s. The job goes on: read it at /v1/jobs/{job.id}.")
    raise_unless_succeeded(job)
    return with_job_headers(json_response(document_of(job)), result, preference.applied)
