"""Which jobs are blamed when a worker has died, as its note of what it did says."""

from collections.abc import Sequence
from typing import Literal, Protocol

Verdict = Literal["blamed", "prepared", "innocent"]
"""What happens to a job: it becomes a suspect; it does, but only one that is a suspect already is charged with a crash;
it goes back to its queue."""


class Held(Protocol):
    """A job that a worker held when it died."""

    @property
    def job_id(self) -> str:
        """The job's id."""

    @property
    def attempt(self) -> int:
        """The number of the attempt."""

    @property
    def in_call(self) -> bool:
        """Whether rows of the job were in the model call that ran."""

    @property
    def preparing(self) -> bool:
        """Whether a thread of the worker worked on it: before it waits for model calls, or after."""


def verdict_on(held: Sequence[Held]) -> list[Verdict]:
    """Return the verdict on each job that a dead worker held.

    * The jobs of the model call that ran are blamed. The others go back to their queues, with one exception: those
      that were being prepared. Otherwise a text that ends its tokenizer would have others blamed for ever, while calls
      run.
    * Without a call, the jobs that were being prepared are blamed; without these as well, all are.
    """
    a_call_ran = any(job.in_call for job in held)
    some_prepared = any(job.preparing for job in held)

    def verdict(job: Held) -> Verdict:
        if a_call_ran:
            return "blamed" if job.in_call else "prepared" if job.preparing else "innocent"
        return "blamed" if job.preparing or not some_prepared else "innocent"

    return [verdict(job) for job in held]
