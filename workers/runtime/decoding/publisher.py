"""Publishes deltas to the store, on a thread of its own: a slow store must not delay the decoding loop.

One call of the store carries the deltas of a whole step, for all streams. What is emitted during a call goes into the
next one. The store's reply names the jobs that must stop, so a stream that is cancelled or has expired ends within a
step. Jobs that are not streamed publish nothing: twice a second, a call only asks which of them must stop.
"""

import logging
import secrets
import threading
import time
from collections.abc import Mapping, Sequence

import msgspec
import redis

from contracts.generation import TextDelta
from contracts.store.attempt_store import AttemptStore
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.flush import Flush

logger = logging.getLogger(__name__)
PERIOD_S = 0.01
"""Least time between two calls. The steps of a small model would otherwise make hundreds of calls a second."""
POLL_PERIOD_S = 0.5
"""Between two calls that ask about jobs without deltas. A heartbeat would stop them, too, but only in seconds."""
RETRY_S = 0.5


class Publisher:
    """The thread that calls the store. All methods can be called from any thread."""

    def __init__(self, store: AttemptStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._pending: dict[Attempt, list[TextDelta]] = {}
        """Deltas for the next call."""
        self._sending: Mapping[Attempt, list[TextDelta]] = {}
        self._running: set[Attempt] = set()
        """Attempts to ask about."""
        self._poll_at = 0.0
        self._flushes: list[Flush] = []
        self._thread = threading.Thread(target=self._loop, name="publisher", daemon=True)
        self._thread.start()

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Add the deltas of each running attempt, possibly none, to the next call."""
        with self._changed:
            was_idle = not self._running
            self._running.update(deltas)
            for attempt, gained in deltas.items():
                if gained:
                    self._pending.setdefault(attempt, []).extend(gained)
            if was_idle or self._pending:  # not at every step, because the thread would take Python's lock each time
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
        return attempt in self._pending or attempt in self._sending

    def _loop(self) -> None:
        while True:
            try:
                self._publish(self._next())
            except Exception:  # if this thread ended, nothing would be streamed and no job would stop
                logger.exception("deltas not published")
            self._sent()
            time.sleep(PERIOD_S)

    def _next(self) -> Mapping[Attempt, Sequence[TextDelta]]:
        """Wait until there is something to publish, or until it is time to ask which jobs must stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._running)
            self._changed.wait_for(lambda: self._pending, self._poll_at - time.monotonic())
            # Kept until the call has returned: `flush` must wait for what is on its way, too.
            self._sending, self._pending = self._pending, {}
            if time.monotonic() < self._poll_at:
                return self._sending
            self._poll_at = time.monotonic() + POLL_PERIOD_S
            running, self._running = self._running, set()
            return {**dict.fromkeys(running, ()), **self._sending}

    def _publish(self, deltas: Mapping[Attempt, Sequence[TextDelta]]) -> None:
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
