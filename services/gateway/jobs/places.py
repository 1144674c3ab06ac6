"""Where a job waits, and when it will probably be done, as its client sees it."""

import math

from contracts.jobs import Job
from contracts.store.job_reader import JobReader
from contracts.store.queues.places import MAX_BESIDE, Place
from services.gateway.jobs.view import QueuePlace
from services.gateway.monitoring.monitor import Monitor

MIN_RETRY_S, MAX_RETRY_S = 1, 600
"""Seconds between two reads that are asked of a client, by an estimate that may be wrong."""


class Places:
    """Estimates of when jobs are done, by the places that the store tells and by the rates of their models."""

    def __init__(self, reader: JobReader, monitor: Monitor) -> None:
        self._reader = reader
        self._monitor = monitor

    def of(self, job: Job) -> QueuePlace | None:
        """Return the place of a job; None if it does not wait. Raises ``redis.RedisError``."""
        use = self._monitor.loads.of(job.model).lane_uses[job.lane]
        place = self._reader.place(job, use) if job.status == "queued" else None
        return None if place is None else self.as_seen(job, place)

    def as_seen(self, job: Job, place: Place) -> QueuePlace:
        """Return a place with the time that goes with it."""
        load = self._monitor.loads.of(job.model)
        is_priced = load.profile is not None and place.price_s > 0
        eta_s = place.eta_s(load.lane_rates[job.lane], load.capacity.total) if is_priced else None
        return QueuePlace(
            position=place.position,
            # Of a model that was not measured the work of jobs is 0, which says nothing.
            work_ahead_s=_rounded(place.work_ahead_s if is_priced or not place.position else None),
            eta_s=_rounded(eta_s),
        )

    def retry_after_s(self, job: Job, place: QueuePlace | None) -> int:
        """Return in how many whole seconds a client should read an unfinished job again."""
        eta_s = self._left_s(job) if place is None else place.eta_s
        return min(MAX_RETRY_S, max(MIN_RETRY_S, math.ceil(eta_s or 0.0)))

    def _left_s(self, job: Job) -> float:
        """Return how long a running job will probably still take; 0 if that is not known."""
        load = self._monitor.loads.of(job.model)
        if not job.price_s or job.started_at is None:
            return 0.0
        # Others share its worker, and a job never has more than one worker.
        beside_s = min(load.shares.running, (1 + MAX_BESIDE) * job.price_s)
        whole_s = max(job.price_s / load.capacity.of_one, beside_s / load.capacity.total, job.least_s)
        return whole_s - (self._monitor.store_time() - job.started_at)


def _rounded(seconds: float | None) -> float | None:
    # To milliseconds: no estimate is better, and the digits would hide that.
    return None if seconds is None else round(seconds, 3)
