"""Runs jobs that are suspected of killing workers, one at a time.

A job that may have been why its worker died is retried as a suspect. If a worker dies while it runs one, its other
jobs are not blamed, unless a model call worked on them (docs/decisions/0003). So there must never be two at once.
"""

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)
_CLOSE = ""


class SuspectLane:
    """A thread that runs the suspects of all models in the order in which their messages came."""

    def __init__(self, run: Callable[[str], object]) -> None:
        self._run = run
        self._job_ids: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closed = threading.Event()
        # A daemon: a suspect that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._loop, name="suspects", daemon=True)
        self._thread.start()

    def put(self, job_id: str) -> None:
        """Run a job when those before it have ended. Does not wait, so that Celery's threads stay free."""
        self._job_ids.put(job_id)

    def close(self, timeout_s: float) -> None:
        """Start no other job, and wait until the one that is running has ended."""
        self._closed.set()
        self._job_ids.put(_CLOSE)  # wakes the thread if it is waiting
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while True:
            job_id = self._job_ids.get()
            # Jobs that are left here are still queued in the store, and the reaper writes new messages for them.
            if self._closed.is_set():
                return
            try:
                self._run(job_id)
            except Exception:  # without this thread, no suspect would run any more
                logger.exception("suspect not run", extra={"job_id": job_id})
