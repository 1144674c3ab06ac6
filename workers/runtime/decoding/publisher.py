"""Publishes deltas to the store, on a thread of its own: a slow store must not delay the decoding loop.

One call of the store carries the deltas of a whole step, for all jobs. What is emitted during a call goes into the next
one. The store's reply names the jobs that must stop, so a job that is cancelled or has expired ends within a step.
"""

import logging
import secrets
import threading
import time
from collections.abc import Mapping

import msgspec
import redis

from contracts.generation import TextDelta
from contracts.store.attempt_store import AttemptStore
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.flush import Flush

logger = logging.getLogger(__name__)
PERIOD_S = 0.01
"""Least time between two calls. The steps of a small model would otherwise make hundreds of calls a second."""
POLL_PERIOD_S = 0.05
"""The same for calls without deltas, which only find out which jobs must stop."""
RETRY_S = 0.5


class Publisher:
    """The thread that calls the store. All methods can be called from any thread."""

    def __init__(self, store: AttemptStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._pending: dict[Attempt, list[TextDelta]] = {}
        self._sending: Mapping[Attempt, list[TextDelta]] = {}
        self._flushes: list[Flush] = []
        self._thread = threading.Thread(target=self._loop, name="publisher", daemon=True)
        self._thread.start()

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Add the deltas of each running attempt, possibly none, to the next call."""
        with self._changed:
            for attempt, gained in deltas.items():
                self._pending.setdefault(attempt, []).extend(gained)
            self._changed.notify()

    def flush(self, attempt: Attempt) -> Flush:
        """Return what is finished once all deltas of an attempt are in the store."""
        flush = Flush(attempt)
        with self._changed:
            if self._has_unpublished(attempt):
                self._flushes.append(flush)
                return flush
        return flush.end()

    def _has_unpublished(self, attempt: Attempt) -> bool:
        return bool(self._pending.get(attempt) or self._sending.get(attempt))

    def _loop(self) -> None:
        while True:
            try:
                self._publish(self._next())
            except Exception:  # if this thread ended, nothing would be streamed and no job would stop
                logger.exception("deltas not published")
            self._sent()
            time.sleep(PERIOD_S)

    def _next(self) -> Mapping[Attempt, list[TextDelta]]:
        """Wait until there is something to publish, or until it is time to poll for jobs that must stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending)
            self._changed.wait_for(lambda: any(self._pending.values()), POLL_PERIOD_S)
            # Kept until the call has returned: `flush` must wait for what is on its way, too.
            self._sending, self._pending = self._pending, {}
            return self._sending

    def _publish(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Send deltas to the store, retrying until it answers; meanwhile new ones wait."""
        running = [attempt for attempt in deltas if not attempt.should_stop]
        if not running:
            return
        encoded = [
            (attempt.claim, msgspec.json.encode(deltas[attempt]) if deltas[attempt] else b"") for attempt in running
        ]
        # A call may succeed although its reply is lost. The store recognizes the token of a retry, so that nothing is
        # published twice.
        token = secrets.token_hex(8)
        while True:
            try:
                gone = self._store.publish(encoded, token)
                break
            except redis.RedisError as error:
                logger.warning("deltas not published yet", extra={"error": str(error)})
                time.sleep(RETRY_S)
        for attempt in running:
            if attempt.claim.id in gone:
                attempt.stop()

    def _sent(self) -> None:
        with self._changed:
            self._sending = {}
            published = [flush for flush in self._flushes if not self._has_unpublished(flush.attempt)]
            self._flushes = [flush for flush in self._flushes if flush not in published]
        for flush in published:
            flush.end()
