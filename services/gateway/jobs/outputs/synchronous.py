"""The synchronous response, for routes whose clients know no jobs: they get a job only if they set ``Prefer``."""

import msgspec
from flask import Response
from flask import request as http_request

from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.errors import GatewayStopping, WaitExceeded
from services.gateway.http.prefer import Preference
from services.gateway.http.responses import raw_json_response
from services.gateway.jobs.deliveries import Deliveries
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.outputs.answers import AnswerFormat, AnswerMaker
from services.gateway.jobs.outputs.result import error_of
from services.gateway.jobs.responses import accepted, with_job_headers
from services.gateway.jobs.submitter import Submitter


class OutputResponder:
    """Submits jobs and responds with what becomes of their outputs."""

    def __init__(self, submitter: Submitter, answers: AnswerMaker, deliveries: Deliveries) -> None:
        self._submitter = submitter
        self._answers = answers
        self._deliveries = deliveries

    def respond(
        self, request: SubmitRequest, preference: Preference, form: AnswerFormat, details: msgspec.Struct
    ) -> Response:
        """Submit the job, wait for it, and respond in the format of the route.

        Raises:
            WaitExceeded: the job is not done in time, and the client did not ask for a job.
            GatewayStopping: the same, because the process stops. The job is cancelled unless the request has a key.
            TriptychError: the job was not accepted, it did not succeed, or its answer can't be made.
        """
        result = self._submitter.submit(request)
        job = result.job
        # A client that did not set `Prefer` could not parse a job, so it gets an error instead.
        if preference.applied and (preference.wait_s == 0 or not job.finished):
            return accepted(result, preference.applied)
        if not job.finished and self._submitter.is_stopping:
            # Sent again, the request gets to another process, and makes a job of its own unless it has a key.
            self._submitter.abandon(request, job.id)
            raise GatewayStopping
        if not job.finished:
            raise WaitExceeded(f"Not done within {request.wait_s:g} s. The job goes on: read it at /v1/jobs/{job.id}.")
        if job.status != "succeeded":
            self._deliveries.note(job)
            raise error_of(job)
        answer = self._answers.make(form, job, details, disconnect_check(http_request))
        self._deliveries.note(job)
        return with_job_headers(raw_json_response(answer), result, preference.applied)
