"""The model of a job with which `test_random_sequences` compares the store."""

from dataclasses import dataclass

from contracts.jobs import TERMINAL, Claim


@dataclass
class ExpectedJob:
    """The expected state of a job. ``late`` means that its deadline is over."""

    id: str
    tenant: str
    status: str = "queued"
    attempt: int = 0
    crashes: int = 0
    suspect: bool = False
    worker: str = ""
    ended_by: int = 0
    late: bool = False
    deleted: bool = False
    version: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether the job has not ended."""
        return self.status not in TERMINAL

    def owned_by(self, claim: Claim) -> bool:
        """Return whether this attempt owns the job, and may end it."""
        return self.status in {"running", "cancelling"} and self.attempt == claim.attempt
