"""What a client can do about a job that takes longer than it may: only what its API has fields for, and may ask for."""

from contracts.errors import DeadlineUnreachable, QueueFull, TriptychError
from contracts.jobs import NewJob
from contracts.limits import set_by
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.limits.book import Limits


def advise(error: DeadlineUnreachable | QueueFull, request: SubmitRequest, new: NewJob, limits: Limits) -> None:
    """Add to an error about ``deadline_s`` or ``timeout_s`` how the request could be accepted.

    Args:
        error: its ``param`` is the time that is too short, if one is. A client that can't set it gets none.
        request: that was refused.
        new: its job.
        limits: of its tenant.
    """
    if error.param is None:
        return  # too many jobs wait, whatever their deadlines
    error.message += _advice(error, error.param, request, new, limits)
    if not request.has_times:
        error.param = None


def _advice(error: TriptychError, name: str, request: SubmitRequest, new: NewJob, limits: Limits) -> str:
    most = getattr(limits, f"max_{name}")
    if getattr(new, name) >= most:
        if isinstance(error, QueueFull):
            return ""  # it has been told when to try again
        by = set_by(f"max_{name}", new.tenant, limits.own)
        return f" No {name} may be longer: max_{name} is {most:g} (set by {by})."
    advice = f" Or set a longer {name}." if request.has_times else ""
    # By default jobs of that lane have a longer deadline, and an attempt has as long as that.
    if request.has_priority and new.lane != "bulk" and not _sets(request, name):
        advice += " Or set priority to bulk: such a job has more time by default."
    return advice


def _sets(request: SubmitRequest, name: str) -> bool:
    return request.submission.times[name] is not None
