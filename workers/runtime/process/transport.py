"""Celery's connection to Redis, made to outlive messages that nobody can read. Step 4 on the path of a job.

kombu takes a message out of its queue and then decodes it; what it can't decode (not JSON, no properties, an exchange
missing) ends Celery's worker with an "unrecoverable error", and all of its jobs with it. Here such a message is logged
and gone. If it was a job's, the reaper finds the job without a message and writes a new one.
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
    """kombu's channel, which survives what it reads."""

    def _brpop_read(self, **options: Any) -> bool | None:
        taken = dict(self.qos._delivered)
        try:
            done: bool | None = super()._brpop_read(**options)  # type: ignore[no-untyped-call]
            return done
        except (Empty, redis.RedisError, OSError):
            raise  # nothing was read; kombu's own lists of such errors hold KeyError too
        except Exception as error:
            logger.warning("unreadable message dropped: %s: %.200s", type(error).__name__, error)
            # It may be among the unacknowledged already, and would come back from there.
            for tag, message in list(self.qos._delivered.items()):
                if taken.get(tag) is not message:
                    self.qos.reject(tag)
            return True


class Transport(kombu_redis.Transport):
    """kombu's transport with that channel."""

    Channel = Channel


def patch_transport(app: Celery) -> None:
    """Let a worker's app use the channel above, and check certificates as the job store's client does."""
    url = str(app.conf.broker_url)
    app.conf.update(
        broker_transport=f"{__name__}:Transport",
        # kombu would take any certificate. Parameters in the URL still have the last word.
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if url.startswith("rediss:") else None,
    )
