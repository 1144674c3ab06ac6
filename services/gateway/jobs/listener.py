"""Subscribes to this process's channel of changed jobs and wakes the greenlets that wait for these jobs."""

import logging
import time

import gevent
import redis

from contracts.store.changes import changes_from
from services.gateway.jobs.wake_ups import WakeUps

logger = logging.getLogger(__name__)
PING_S = 5.0
"""A silent subscription is pinged this often: a half-open connection delivers nothing and reports no error."""
RETRY_S = 0.5


class Listener:
    """Receives what happens to jobs that this process follows, in a greenlet of its own."""

    def __init__(self, client: "redis.Redis", wake_ups: WakeUps) -> None:
        self._client = client
        self._wake_ups = wake_ups
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Start listening. While the store is out of reach, the greenlet keeps trying."""
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Stop listening."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _loop(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                # Not a warning: the monitor already logs that the store is out of reach.
                logger.debug("listening for changed jobs was interrupted", extra={"error": str(error)})
            except Exception:
                # The loop must go on: without wake-ups every wait would take up to `POLL_S` longer.
                logger.exception("listening for changed jobs failed")
            gevent.sleep(RETRY_S)

    def _listen(self) -> None:
        with self._client.pubsub() as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(self._wake_ups.channel)
            received_at = pinged_at = time.monotonic()
            while True:
                # Returns after a second even without a message, so that the code below can ping a silent connection.
                message = channel.get_message(timeout=1.0)
                now = time.monotonic()
                if message is not None:
                    received_at = now
                    self._handle(message)
                elif now - received_at > 2 * PING_S:
                    raise redis.ConnectionError("the subscription does not answer pings")
                elif now - max(received_at, pinged_at) > PING_S:
                    channel.ping()
                    pinged_at = now

    def _handle(self, message: dict[str, object]) -> None:
        data = message["data"]
        if message["type"] == "message" and isinstance(data, bytes):
            # One message may name many jobs: a decode step changes all jobs of its batch.
            for change in changes_from(data):
                self._wake_ups.wake(change)
        elif message["type"] == "subscribe":
            # Changes before the subscription were not received, so every waiter looks at its record.
            self._wake_ups.wake_all()
