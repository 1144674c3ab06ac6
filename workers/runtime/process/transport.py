"""Celery's connection to Redis, made to survive messages that can't be decoded. Step 3 on the path of a job.

kombu removes a message from its queue first and decodes it then. An undecodable message (not JSON, without properties,
without an exchange) ends Celery's worker with an "unrecoverable error", and with it all of its jobs. Here it is logged
and dropped. If it belonged to a job, the reaper finds the job without a message and writes a new one
(docs/decisions/0007).
"""

import logging
import ssl
from queue import Empty
from typing import Any

import redis
from celery import Celery
from kombu.transport import redis as kombu_redis

logger = logging.getLogger(__name__)


class Channel(kombu_redis.Channel):
    """kombu's channel, except that a message which can't be decoded is dropped."""

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


def patch_transport(app: Celery) -> None:
    """Let a worker's app use the channel above, and verify certificates as the job store's client does."""
    url = str(app.conf.broker_url)
    app.conf.update(
        broker_transport=f"{__name__}:Transport",
        # By default kombu accepts any certificate. Parameters in the URL override this.
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if url.startswith("rediss:") else None,
    )
