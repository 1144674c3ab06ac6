"""Decides when a worker process is stuck and must exit, so that its supervisor starts a new one."""


class Watchdog:
    """Finds a model call that never returns, Python that stands still, and a worker that takes no jobs.

    Args:
        hard_limit_s: longest model call, and longest time that native code may hold Python's lock. Neither can be
            interrupted, so exiting is the only way out.
        stall_s: longest time in which jobs wait while the worker asks for none, although it has room.
    """

    def __init__(self, *, hard_limit_s: float, stall_s: float) -> None:
        self._hard_limit_s = hard_limit_s
        self._stall_s = stall_s
        self._waiting_since: float | None = None

    def reason_to_exit(
        self,
        *,
        busy_since: float | None,
        without_progress_s: float,
        last_turn: float,
        num_waiting: int,
        now: float,
    ) -> str | None:
        """Return why the worker must exit, or None. Called regularly.

        Args:
            busy_since: start of the model call that is running, or None.
            without_progress_s: for how long the worker's Python has stood still.
            last_turn: when the worker last asked for jobs or had no room for any.
            num_waiting: jobs that wait in the queues of the worker's models.
            now: all times are by ``time.monotonic()``.
        """
        if busy_since is not None and now - busy_since > self._hard_limit_s:
            return f"a model call has run for more than {self._hard_limit_s:g} s"
        if without_progress_s > self._hard_limit_s:
            return f"native code has held Python's lock for more than {self._hard_limit_s:g} s"
        # A worker need not ask while none waits, so its last turn may have been long ago when the first one comes.
        if not num_waiting or self._waiting_since is None or last_turn > self._waiting_since:
            self._waiting_since = now if num_waiting else None
        elif now - self._waiting_since > self._stall_s:
            return f"jobs have waited for {self._stall_s:g} s, and the worker has room and takes none"
        return None
