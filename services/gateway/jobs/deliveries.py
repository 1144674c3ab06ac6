"""Tells the store which answers clients have: those need not be kept for long. Step 8 on the path of a job.

A response delivers a job if it says how the job ended, with all of its output if it has one. It counts when its last
byte has gone out. A page of jobs, a 304 and a response to HEAD deliver nothing.
"""

import logging
from collections import deque
from collections.abc import Callable

import gevent
import msgspec
import redis

from contracts.jobs import Job
from contracts.store.job_writer import JobWriter
from services.gateway.http.request_facts import RequestFacts, current_facts

logger = logging.getLogger(__name__)
PERIOD_S = 0.25
"""One call to the store tells it what was delivered in such a time.

It is short beside the minutes for which answers are kept. With a fifth of it, at some tens of requests a second, nearly
every second request would pay for a call."""
RETRY_S = 1.0
MAX_JOBS = 50_000
"""Delivered jobs that the store does not know of, because it takes no writes. The oldest make room: they stay for
their ``ttl_s``."""


class Deliveries:
    """Collects the jobs whose answers were sent.

    Args:
        keep_s: how long an answer is kept after that, if its request has not set a time.
        store_time: returns the store's time now.
        on_delivery: is told of each finished job that a response is going to deliver.
    """

    def __init__(
        self, writer: JobWriter, keep_s: float, store_time: Callable[[], float], on_delivery: Callable[[Job], None]
    ) -> None:
        self._writer = writer
        self._keep_s = keep_s
        self._store_time = store_time
        self._on_delivery = on_delivery
        self._sent: deque[str] = deque(maxlen=MAX_JOBS)
        self._is_due = False

    def note(self, job: Job, facts: RequestFacts | None = None) -> Job:
        """Note that the response which is being made delivers this job, if it is finished.

        Returns:
            The job with the ``expires_at`` that holds once it is delivered.
        """
        if job.finished:
            self._on_delivery(job)
        if not job.finished or job.keep or job.expires_at is None:
            return job
        (facts or current_facts()).delivers = job.id
        # The store counts from when it learns of it, which is later.
        return msgspec.structs.replace(job, expires_at=min(job.expires_at, self._store_time() + self._keep_s))

    def sent(self, facts: RequestFacts) -> None:
        """Note that all of a response has been sent."""
        if facts.delivers is not None:
            self._sent.append(facts.delivers)
            self._mark_soon(PERIOD_S)

    def mark(self) -> bool:
        """Tell the store of all jobs that were delivered until now; return whether it knows."""
        jobs = list(self._sent)
        self._sent.clear()
        try:
            self._writer.mark_delivered(jobs, self._keep_s)
            return True
        except redis.RedisError as error:
            # Told again, since to do so twice changes nothing.
            self._sent = deque([*jobs, *self._sent], MAX_JOBS)
            logger.debug("delivered jobs could not be marked", extra={"error": str(error)})
            return False

    def _mark_soon(self, delay_s: float) -> None:
        if not self._is_due:
            self._is_due = True
            gevent.spawn_later(delay_s, self._mark_now)

    def _mark_now(self) -> None:
        # One call at a time: while the store is slow, further ones would use up the connections for background work.
        succeeded = False
        try:
            succeeded = self.mark()
        except Exception:
            # Otherwise nothing would be marked any more, and all answers would stay for their `ttl_s`.
            logger.exception("marking delivered jobs failed")
        self._is_due = False
        if self._sent:
            self._mark_soon(PERIOD_S if succeeded else RETRY_S)
