"""The whole answer, for routes whose clients know no jobs: a job is for those who ask for one with ``Prefer``."""

from collections.abc import Callable

from flask import Response

from contracts.jobs import Job
from services.gateway.http.errors import WaitExceeded
from services.gateway.http.prefer import Preference
from services.gateway.jobs.outcome import raise_unless_succeeded
from services.gateway.jobs.routes import accepted, with_job_headers
from services.gateway.jobs.submit import Ask, Submitter
from services.gateway.jobs.view import json_response


def answer_whole(
    submitter: Submitter, ask: Ask, preference: Preference, document_of: Callable[[Job], object]
) -> Response:
    """Submit, wait, and answer what ``document_of`` makes of the succeeded job.

    Raises:
        WaitExceeded: the job is not done in time, and the client did not ask for a job.
        TriptychError: why the job was not accepted, or how it ended.
    """
    outcome = submitter.submit(ask)
    job = outcome.job
    if preference.applied and (preference.wait_s == 0 or not job.finished):
        return accepted(outcome, preference.applied)
    if not job.finished:
        raise WaitExceeded(f"Not done within {ask.wait_s:g} s. It goes on: read it at /v1/jobs/{job.id}.")
    raise_unless_succeeded(job)
    return with_job_headers(json_response(document_of(job)), outcome, preference.applied)
