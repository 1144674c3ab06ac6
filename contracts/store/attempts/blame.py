"""Which jobs are blamed when a worker has died, as its note of what it did says."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Verdict = Literal["blamed", "suspected", "innocent"]
"""What happens to a job: it is charged with the death and runs again as a suspect; it becomes a suspect, or stays one,
and is charged with nothing; it goes back to its queue."""


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

    @property
    def suspect(self) -> bool:
        """Whether it was a suspect already."""


class Returned(NamedTuple):
    """What became of the jobs of a worker that has died."""

    num_jobs: int
    """That were given back."""
    charged_to_suspects: bool
    """Whether jobs are charged with the death, and all of these were suspects before: it says nothing of the worker."""


def verdict_on(held: Sequence[Held]) -> list[Verdict]:
    """Return the verdict on each job that a dead worker held.

    * Something was done with a job if its rows were in the model call that ran, or a thread prepared it. All others go
      back to their queues. If nothing was done with any job, none can be told from the others.
    * A death is charged to suspects if something was done with some: whoever came meanwhile, and runs beside suspects,
      is not to be blamed for them. Otherwise it is charged to the jobs of the call, or else to those that were being
      prepared.
    * With the others something was done as well, and it may have been their fault. So they become suspects. A worker
      takes one that runs alone only if it has no other suspect, so what happened beside each other does not again.
    """
    involved = [job for job in held if job.in_call or job.preparing] or held
    suspects = [job for job in involved if job.suspect]
    charged = suspects or [job for job in involved if job.in_call] or involved
    return ["blamed" if job in charged else "suspected" if job in involved else "innocent" for job in held]
