"""How much memory the jobs in hand may take, and which job waits for it. Step 4 on the path of a job.

Each job takes several times its request: texts, token ids, results, the encoded answer. Half of the budget is for small
jobs: three quarters of it for those of anybody, all of it for newcomers (places.py). A job that is larger than these
three quarters has the other half of the budget to itself, so that it neither waits for ever nor stops the others.
"""

from contracts.store.attempts.turn import LargeJob, Room
from workers.runtime.attempts.attempt import Attempt

BYTES_PER_REQUEST_BYTE = 12
"""The request itself, its decoded texts, and the token ids of its rows, at worst one for each byte. Token ids that are
being made are those of a few texts only (`tokenizing/reading.py`)."""
BYTES_PER_INPUT = 4096
"""Objects of one input: its row, its result, its place in the answer."""
BYTES_PER_DIMENSION = 32
"""A number of a vector, as results, stacked, normalized, and as text in the answer."""


class JobRoom:
    """The memory for jobs in hand. Only the thread that takes jobs uses it.

    Args:
        budget_bytes: of all jobs together, suspects aside.
        most_dimensions: of the vectors that the models of this worker return.
    """

    def __init__(self, budget_bytes: int, most_dimensions: int = 0) -> None:
        half_bytes = max(1, budget_bytes // 2)
        self.reserved_bytes = half_bytes // 4
        """What of the half for small jobs is for newcomers."""
        self._most_bytes = half_bytes - self.reserved_bytes
        """Of a small job, and of those of anybody together."""
        self._per_input = BYTES_PER_INPUT + BYTES_PER_DIMENSION * most_dimensions
        self._used_bytes = 0
        """By all small jobs."""
        self._large: list[Attempt] = []
        """At large jobs. The first has the other half of the budget. There are others only where jobs are taken without
        being asked for: suspects, and one that this worker has lost and got again."""
        self._waiting: LargeJob | None = None

    @property
    def for_all(self) -> Room:
        """What the next small jobs of anybody may take."""
        return self._room(self.free_bytes)

    @property
    def for_newcomers(self) -> Room:
        """What the next small jobs of newcomers may take."""
        return self._room(self.free_bytes + self.reserved_bytes)

    @property
    def free_bytes(self) -> int:
        """Memory for the next small jobs of anybody. Negative once newcomers have some of what is reserved."""
        return self._most_bytes - self._used_bytes - sum(attempt.claim.num_bytes for attempt in self._large[1:])

    @property
    def next_large(self) -> str | None:
        """The id of the large job that may run now, whatever it needs, or None."""
        return self._waiting.job_id if self._waiting and not self._large else None

    def wait_for(self, large: LargeJob) -> None:
        """Remember the oldest large job, for which the others wait their turn."""
        self._waiting = self._waiting or large

    def forget(self, job_id: str) -> None:
        """Wait no longer for a large job: it runs here or elsewhere now, or has ended."""
        if self._waiting and self._waiting.job_id == job_id:
            self._waiting = None

    def reserve(self, attempt: Attempt) -> None:
        """Note that an attempt at a job is in hand."""
        if attempt.claim.num_bytes > self._most_bytes:
            self._large.append(attempt)
        else:
            self._used_bytes += attempt.claim.num_bytes

    def give_back(self, attempt: Attempt) -> bool:
        """Free what an attempt in hand has taken; return whether it was at a large job."""
        if attempt in self._large:
            self._large.remove(attempt)
            return True
        self._used_bytes -= attempt.claim.num_bytes
        return False

    def _room(self, free_bytes: int) -> Room:
        return Room(free_bytes, self._most_bytes, BYTES_PER_REQUEST_BYTE, self._per_input)
