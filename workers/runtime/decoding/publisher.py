"""Tells clients what their jobs have grown by, on a thread of its own: a slow store must not hold up the decoding loop.

One call of the store carries everything of a step, for all rows; what comes while a call is on its way goes into the
next. The reply says which jobs must stop: so a cancelled job, or one past its deadline, leaves within a step.
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

logger = logging.getLogger(__name__)
PERIOD_S = 0.01
"""Shortest time between two calls: the steps of a small model would otherwise make hundreds a second."""
LOOK_PERIOD_S = 0.05
"""The same where there is nothing to tell, and the call only finds out who must stop."""
RETRY_S = 0.5


class Publisher:
    """The thread that speaks to the store. Methods can be called from any thread."""

    def __init__(self, store: AttemptStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._pending: dict[Attempt, list[TextDelta]] = {}
        self._sending: Mapping[Attempt, list[TextDelta]] = {}
        self._thread = threading.Thread(target=self._loop, name="publisher", daemon=True)
        self._thread.start()

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Take what each running job has grown by since the last call, maybe nothing."""
        with self._changed:
            for attempt, gained in deltas.items():
                self._pending.setdefault(attempt, []).extend(gained)
            self._changed.notify_all()

    def flush(self, attempt: Attempt, timeout_s: float) -> bool:
        """Wait until all that a job has grown by is told, so that its end comes after it; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._untold(attempt), timeout_s)

    def _untold(self, attempt: Attempt) -> bool:
        return bool(self._pending.get(attempt) or self._sending.get(attempt))

    def _loop(self) -> None:
        while True:
            try:
                self._publish(self._next())
            except Exception:  # without this thread no stream would grow, and no job would stop
                logger.exception("deltas not published")
            self._sent()
            time.sleep(PERIOD_S)

    def _next(self) -> Mapping[Attempt, list[TextDelta]]:
        """Wait for something to tell, and a while for company where there is only to look."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending)
            self._changed.wait_for(lambda: any(self._pending.values()), LOOK_PERIOD_S)
            self._sending, self._pending = self._pending, {}
            return self._sending

    def _publish(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Tell the store, for as long as it takes: what comes meanwhile waits, and nothing is told twice."""
        held = [attempt for attempt in deltas if not attempt.should_stop]
        if not held:
            return
        encoded = [
            (attempt.claim, msgspec.json.encode(deltas[attempt]) if deltas[attempt] else b"") for attempt in held
        ]
        token = secrets.token_hex(8)
        while True:
            try:
                gone = self._store.publish(encoded, token)
                break
            except redis.RedisError as error:
                logger.warning("deltas not published yet: %s", error)
                time.sleep(RETRY_S)
        for attempt in held:
            if attempt.claim.id in gone:
                attempt.stop()

    def _sent(self) -> None:
        with self._changed:
            self._sending = {}
            self._changed.notify_all()
