"""Attempts at jobs that no store knows, for whoever runs a task or an engine without one."""

from contracts.jobs import Claim
from workers.runtime.attempts.attempt import Attempt, RecordProgress


def make_attempt(
    request: bytes = b"{}",
    *,
    job_id: str = "job",
    task: str = "embed",
    model: str = "tiny",
    timeout_s: float = 60.0,
    isolated: bool = False,
    record_progress: RecordProgress | None = None,
) -> Attempt:
    """Return an attempt that nobody stops unless the test does."""
    claim = Claim(id=job_id, attempt=1, task=task, model=model, request=request, timeout_s=timeout_s, suspect=isolated)
    return Attempt(claim, record_progress)
