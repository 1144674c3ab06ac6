"""Celery's connection to Redis, made to leave messages to others when it is full, and to survive bad ones. Step 3.

kombu removes a message from its queue first and decodes it then. An undecodable message (not JSON, without properties,
without an exchange) ends Celery's worker with an "unrecoverable error", and with it all of its jobs. Here it is logged
and dropped. If jobs wait in its queue, the next submit or the reaper pushes a new one (docs/decisions/0007).
"""

import logging
import os
import ssl
from collections.abc import Callable
from queue import Empty
from typing import Any

import redis
from celery import Celery
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from contracts.jobs import NEWCOMER_SUFFIX

logger = logging.getLogger(__name__)


class Door:
    """Whether this worker takes messages. A message that a full worker takes would wake nobody else.

    There are two channels, each with a connection on which it waits for messages: one for those of all queues, and one
    for those that say that newcomers wait there, which a worker takes that has no room for others. If they shared one,
    a wait for newcomers would have to be broken off as soon as there is room for all.

    The methods can be called from any thread.
    """

    def __init__(self) -> None:
        self.is_open: Callable[[], bool] = lambda: True
        """Asked each time that the next message of a queue could be taken."""
        self.is_open_for_newcomers: Callable[[], bool] = lambda: True
        """Asked each time that the next message about newcomers could be taken."""
        self._opened = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def opened(self) -> None:
        """Let Celery's loop ask now, because there is room again. It would only at its next timer, in up to 1 s."""
        os.eventfd_write(self._opened, 1)

    def watch(self, loop: Any) -> None:
        """Let an event loop of kombu turn each time that the door is opened."""
        loop.add_reader(self._opened, self._turned)

    def _turned(self) -> None:
        os.eventfd_read(self._opened)


DOOR = Door()
"""Of this process. Celery makes the objects below by itself, so none can be handed one."""


class QoS(virtual.QoS):
    """kombu's rule of when to take a message, and the door's."""

    def can_consume(self) -> bool:
        """Return whether the next message may be taken."""
        is_open = DOOR.is_open_for_newcomers if self._brings_newcomers else DOOR.is_open
        return is_open() and bool(super().can_consume())  # type: ignore[no-untyped-call]

    @property
    def _brings_newcomers(self) -> bool:
        return all(queue.endswith(NEWCOMER_SUFFIX) for queue in self.channel.active_queues)


class Channel(kombu_redis.Channel):
    """kombu's channel, except that it has the rule above, and that a message which can't be decoded is dropped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        # After kombu has chosen one, which without ack_emulation is `virtual.QoS`.
        self.QoS = QoS  # type: ignore[assignment]

    def _queue_bind(self, *binding: object) -> None:
        """Store no binding: workers publish nothing. A full store would refuse it, and the worker could end no job."""

    def _brpop_read(self, **options: Any) -> bool | None:
        unacknowledged = dict(self.qos._delivered)  # a copy, because the call below adds to it
        try:
            done: bool | None = super()._brpop_read(**options)  # type: ignore[no-untyped-call]
            return done
        except (Empty, redis.RedisError, OSError):
            # No message was read. kombu's own list of connection errors can't be used: it includes KeyError, which is
            # also what decoding raises.
            raise
        except Exception as error:
            about = {"kind": type(error).__name__, "error": str(error)[:200]}
            logger.warning("unreadable message dropped", extra=about)
            # kombu may have noted the message as unacknowledged already, and would deliver it again.
            for tag, message in list(self.qos._delivered.items()):
                if unacknowledged.get(tag) is not message:
                    self.qos.reject(tag)
            # As after a delivery: a message was taken from the queue.
            return True


class Transport(kombu_redis.Transport):
    """kombu's transport, with the channel above."""

    Channel = Channel

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Watch the connection, after each reconnect anew, and the door."""
        super().register_with_event_loop(connection, loop)  # type: ignore[no-untyped-call]
        DOOR.watch(loop)


def patch_transport(app: Celery) -> None:
    """Let a worker's app use the channel above, and verify certificates as the job store's client does."""
    url = str(app.conf.broker_url)
    app.conf.update(
        broker_transport=f"{__name__}:Transport",
        # By default kombu accepts any certificate. Parameters in the URL override this.
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if url.startswith("rediss:") else None,
    )
