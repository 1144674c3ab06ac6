"""Decides when a worker process is stuck and must exit, so that its supervisor starts a new one."""


class Watchdog:
    """Finds a model call that never returns, Python that stands still, and a consumer that takes no messages.

    Args:
        hard_limit_s: longest model call, and longest time that native code may hold Python's lock. Neither can be
            interrupted, so exiting is the only way out.
        stall_s: longest time in which messages wait while the worker runs no job.
    """

    def __init__(self, *, hard_limit_s: float, stall_s: float) -> None:
        self._hard_limit_s = hard_limit_s
        self._stall_s = stall_s
        self._idle_since: float | None = None

    def reason_to_exit(
        self,
        *,
        busy_since: float | None,
        without_progress_s: float,
        num_running: int,
        num_messages: int,
        now: float,
    ) -> str | None:
        """Return why the worker must exit, or None. Called regularly.

        Args:
            busy_since: start of the model call that is running, or None.
            without_progress_s: for how long the worker's Python has stood still.
            num_running: jobs that the worker holds.
            num_messages: messages that wait in the queues of the worker's models.
            now: all times are by ``time.monotonic()``.
        """
        if busy_since is not None and now - busy_since > self._hard_limit_s:
            return f"a model call has run for more than {self._hard_limit_s:g} s"
        if without_progress_s > self._hard_limit_s:
            return f"native code has held Python's lock for more than {self._hard_limit_s:g} s"
        # Messages may well wait while jobs run: only an idle worker that takes none is stuck.
        if num_running or not num_messages:
            self._idle_since = None
            return None
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since > self._stall_s:
            return f"messages have waited for {self._stall_s:g} s while the worker was idle"
        return None
