"""Whether a worker lives, as its heartbeat process sees it: leases are renewed for a living worker only."""

import time
from pathlib import Path

from workers.runtime.process.shared_state import SharedState

_STOPPED = frozenset("TtZX")
"""States of `proc(5)`: stopped by a signal or a debugger, zombie, dead."""


class Liveness:
    """Looks at a worker from outside, once a beat.

    Args:
        pid: the worker's process.
        state: where it notes its progress.
        lease_s: a worker that made progress since then lives.
        hard_limit_s: longest time without progress. Native code may hold Python's lock, and so stop every thread, but
            not for ever.
    """

    def __init__(self, pid: int, state: SharedState, *, lease_s: float, hard_limit_s: float) -> None:
        self._proc = Path(f"/proc/{pid}/stat")
        self._state = state
        self._lease_s = lease_s
        self._hard_limit_s = hard_limit_s
        self._cpu_ticks = 0
        self._stopped_at = float("-inf")
        self.stopped = False
        """Whether the process was stopped when it was last looked at: by SIGSTOP, a debugger, or death."""

    def check(self) -> bool:
        """Return whether the worker lives now."""
        status, cpu_ticks = self._read()
        works = cpu_ticks > self._cpu_ticks
        self._cpu_ticks = cpu_ticks
        self.stopped = status in _STOPPED
        if self.stopped:
            # It makes no progress while it is stopped. Once it goes on, it gets the time of a lease to make some.
            self._stopped_at = time.monotonic()
            return False
        age_s = self.without_progress_s()
        return age_s < self._lease_s or (works and age_s < self._hard_limit_s)

    def without_progress_s(self) -> float:
        """Return for how long the worker's Python has stood still, other than while it was stopped."""
        return time.monotonic() - max(self._state.last_progress(), self._stopped_at)

    def _read(self) -> tuple[str, int]:
        """Return the state of the process, and its CPU time of all threads in clock ticks."""
        try:
            # The command comes second, in parentheses, and may itself contain parentheses and spaces.
            fields = self._proc.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return "X", self._cpu_ticks
        return fields[0], int(fields[11]) + int(fields[12])
