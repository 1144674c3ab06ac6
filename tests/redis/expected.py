"""The model of a job that `test_any_order` compares the store with."""

from dataclasses import dataclass

from contracts.jobs import TERMINAL, Claim


@dataclass
class Expected:
    """What the model knows of a job."""

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
    def live(self) -> bool:
        """Whether the job has yet to end."""
        return self.status not in TERMINAL

    def owned_by(self, claim: Claim) -> bool:
        """Whether this attempt may end the job."""
        return self.status in {"running", "cancelling"} and self.attempt == claim.attempt
