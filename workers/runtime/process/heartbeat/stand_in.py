"""Renews the leases of a worker whose heartbeat process does not: it hangs, or ends as soon as it is started.

Until it is replaced, the jobs of a worker that lives would lose their leases, and be blamed for crashes.
"""

import logging
import threading
import time

import redis

from workers.runtime.attempts.held import HeldAttempts

logger = logging.getLogger(__name__)
LATE = 1 / 2
"""Share of a lease without a beat after which this thread takes over; the process beats after a third."""
LOOKS_PER_LEASE = 10


class StandIn:
    """A thread that renews leases from when the process is late until it beats again. Beats are told by `beaten`."""

    def __init__(self, held: HeldAttempts, *, lease_s: float) -> None:
        self._held = held
        self._lease_s = lease_s
        self._beaten_at = time.monotonic()
        self._stopping = threading.Event()
        # Not the thread that notes progress: a call waits for seconds if the store is out of reach.
        self._thread = threading.Thread(target=self._loop, name="stand-in", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.beaten()
        self._thread.start()

    def stop(self) -> None:
        """Renew no more leases."""
        self._stopping.set()

    def beaten(self) -> None:
        """Note that the process has beaten."""
        self._beaten_at = time.monotonic()

    def _loop(self) -> None:
        stands_in = False
        while not self._stopping.wait(self._lease_s / LOOKS_PER_LEASE):
            was_late, stands_in = stands_in, time.monotonic() - self._beaten_at > LATE * self._lease_s
            if stands_in and not was_late:
                logger.warning("heartbeat process is late; the worker renews its leases itself")
            try:
                if stands_in:
                    self._held.keep()
            except redis.RedisError as error:
                logger.warning("leases not renewed", extra={"error": str(error)})
            except Exception:  # without this thread, a process that hangs would cost leases
                logger.exception("leases not renewed")
