"""What a client can do about a job that takes longer than it may: only what its API has fields for, and may ask for."""

from contracts.errors import DeadlineUnreachable
from contracts.jobs import NewJob
from contracts.limits import how_to_set
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.limits.book import Limits


def advise(error: DeadlineUnreachable, request: SubmitRequest, new: NewJob, limits: Limits) -> None:
    """Add to an error about ``deadline_s`` or ``timeout_s`` how the request could be accepted.

    Args:
        error: its ``param`` is the time that is too short. A client that can't set it gets none.
        request: that was refused.
        new: its job.
        limits: of its tenant.
    """
    name = error.param or "deadline_s"
    most = getattr(limits, f"max_{name}")
    advice = ""
    if getattr(new, name) >= most:
        advice = f" No {name} may be longer: max_{name} is {most:g} (set by {how_to_set(f'max_{name}', new.tenant)})."
    elif request.has_times:
        advice = f" Or set a longer {name}."
    # By default jobs of that lane have a longer deadline, and an attempt has as long as that.
    if not advice.startswith(" No") and request.has_priority and new.lane != "bulk" and not _sets(request, name):
        advice += " Or set priority to bulk: such a job has more time by default."
    error.message += advice
    if not request.has_times:
        error.param = None


def _sets(request: SubmitRequest, name: str) -> bool:
    return request.submission.times[name] is not None
