"""Cancels the jobs of clients that have disconnected, where no other client can know the job."""

import logging

import gevent
import redis

from contracts.errors import TriptychError
from contracts.store.job_writer import JobWriter

logger = logging.getLogger(__name__)
CANCEL_RETRY_S = 1.0
MAX_CANCELS = 300
"""How often a cancel is tried while the store is out of reach. Without it the job would run until its deadline."""


class Canceller:
    """Cancels jobs, and tries again while the store is out of reach."""

    def __init__(self, writer: JobWriter) -> None:
        self._writer = writer

    def cancel(self, job_id: str, tenant: str, num_tries: int = MAX_CANCELS) -> None:
        """Cancel a job that nobody can read.

        When many clients disconnect at once, not all cancels get a connection to the store in time. They are tried
        again later: otherwise nothing would stop these jobs before their deadlines.
        """
        try:
            self._writer.cancel(job_id, tenant)
        except TriptychError:
            return  # the job is purged, so there is nothing to cancel
        except redis.RedisError as error:
            if num_tries > 1:
                gevent.spawn_later(CANCEL_RETRY_S, self.cancel, job_id, tenant, num_tries - 1)
            else:
                about = {"job_id": job_id, "error": str(error)}
                logger.warning("the job of a disconnected client was not cancelled", extra=about)
