"""How a finished job ended, for routes that answer with its output and not with the job."""

import msgspec

from contracts.errors import TriptychError, by_code
from contracts.jobs import Job, Usage
from services.gateway.http.errors import JobCancelled, JobExpired


def raise_unless_succeeded(job: Job) -> None:
    """Raise how a finished job ended, unless it ended well."""
    if job.status == "cancelled":
        raise JobCancelled
    if job.status == "expired":
        raise JobExpired
    if job.error is not None:
        raise by_code(job.error.code)(job.error.message, param=job.error.param)
    if job.status == "failed":
        raise TriptychError


def usage_of(job: Job) -> Usage:
    """Return what a succeeded job's inputs weighed."""
    return msgspec.json.decode(job.usage or b"null", type=Usage)
