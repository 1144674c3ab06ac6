"""How much memory the jobs in hand may take, and which jobs wait for it. Step 4 on the path of a job.

A worker holds as many jobs as it has threads, whatever their sizes, and each takes several times its request: texts,
token ids, results, the encoded answer. So half of the budget is divided among the threads, and a job that fits into the
share of its thread never waits. The larger ones take turns at the other half, in the order in which they were found.
"""

import threading
from collections import deque
from typing import NamedTuple

from contracts.store.attempt_store import Room

BYTES_PER_REQUEST_BYTE = 12
"""The request itself, its decoded texts, and the token ids of its rows, at worst one for each byte. Token ids that are
being made are those of a few texts only (`tokenizing/reading.py`)."""
BYTES_PER_INPUT = 4096
"""Objects of one input: its row, its result, its place in the answer."""
BYTES_PER_DIMENSION = 32
"""A number of a vector, as results, stacked, normalized, and as text in the answer."""
MAX_WAITING = 1024
"""Jobs that are remembered. Others are found again when the reaper replaces their messages."""


class LargeJob(NamedTuple):
    """A job that is larger than the share of a thread."""

    job_id: str
    num_bytes: int
    """As an estimate, and at most the common half: a job that is larger than it runs when no other large one does."""


class JobRoom:
    """The memory for jobs in hand. All methods can be called from any thread.

    Args:
        budget_bytes: of all jobs together, suspects aside, of which there is one at a time.
        num_threads: jobs that may be held at once.
        most_dimensions: of the vectors that the models of this worker return.
    """

    def __init__(self, budget_bytes: int, num_threads: int, most_dimensions: int = 0) -> None:
        # Without any memory, jobs must run one at a time: one that reserves nothing would wait for no other.
        self._common_bytes = self._free_bytes = max(1, budget_bytes // 2)
        per_input = BYTES_PER_INPUT + BYTES_PER_DIMENSION * most_dimensions
        self.share = Room(budget_bytes // 2 // num_threads, BYTES_PER_REQUEST_BYTE, per_input)
        """What every job may take that a thread claims."""
        self._waiting: deque[LargeJob] = deque()
        self._lock = threading.Lock()

    def wait_for(self, job_id: str, num_bytes: int) -> None:
        """Put a job that does not fit into a share in line for the common half, unless it waits there already."""
        with self._lock:
            known = any(large.job_id == job_id for large in self._waiting)
            if not known and len(self._waiting) < MAX_WAITING:
                self._waiting.append(LargeJob(job_id, min(num_bytes, self._common_bytes)))

    def take(self) -> LargeJob | None:
        """Return the first job in line, with its memory reserved, or None if there is none or it does not fit yet."""
        with self._lock:
            # Only the first: if smaller ones could overtake it, the largest might wait for ever.
            if not self._waiting or self._waiting[0].num_bytes > self._free_bytes:
                return None
            self._free_bytes -= self._waiting[0].num_bytes
            return self._waiting.popleft()

    def give_back(self, large: LargeJob) -> None:
        """Free what was reserved for a job."""
        with self._lock:
            self._free_bytes += large.num_bytes
