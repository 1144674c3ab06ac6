"""Attempts at jobs for tests that run a task or an engine without a store."""

from collections.abc import Callable

from contracts.jobs import OPEN_TENANT, Claim, Lane
from workers.runtime.attempts.attempt import Attempt


def make_attempt(
    request: bytes = b"{}",
    *,
    job_id: str = "job",
    task: str = "embed",
    model: str = "tiny",
    timeout_s: float = 60.0,
    group: str = "",
    tenant: str = OPEN_TENANT,
    lane: Lane = "default",
    weight: float = 1.0,
    num_bytes: int = 0,
    resume: Callable[[Attempt], None] | None = None,
) -> Attempt:
    """Return an attempt that runs until the test stops it."""
    claim = Claim(
        id=job_id,
        attempt=1,
        task=task,
        model=model,
        request=request,
        timeout_s=timeout_s,
        group=group,
        tenant=tenant,
        lane=lane,
        weight=weight,
        num_bytes=num_bytes,
    )
    return Attempt(claim, resume)
