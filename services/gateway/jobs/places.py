"""Where a job waits, and when it will probably be done, as its client sees it."""

import math

from contracts.jobs import Job, Lane
from contracts.store.job_reader import JobReader
from contracts.store.queues.places import MAX_BESIDE, Place
from services.gateway.admission.lanes import LEAST_USE
from services.gateway.jobs.view import QueuePlace
from services.gateway.monitoring.monitor import Monitor

MIN_RETRY_S, MAX_RETRY_S = 1, 600
"""Seconds between two reads that are asked of a client, by an estimate that may be wrong."""
LATE_PART = 0.25
"""Of the time by which an estimate was wrong: after as much more a client reads again."""


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
        eta_s = self.eta_s(job.model, job.lane, place)
        return QueuePlace(
            position=place.position,
            # Of a model that was not measured the work of jobs is 0, which says nothing.
            work_ahead_s=_rounded(None if eta_s is None and place.position else place.work_ahead_s),
            eta_s=_rounded(eta_s),
        )

    def eta_s(self, model: str, lane: Lane, place: Place) -> float | None:
        """Return in how many seconds the job at a place will probably be done; None if its model was not measured."""
        load = self._monitor.loads.of(model)
        is_priced = load.profile is not None and place.price_s > 0
        return place.eta_s(load.lane_rates[lane], load.capacity.total) if is_priced else None

    def retry_after_s(self, job: Job, place: QueuePlace | None) -> int:
        """Return in how many whole seconds a client should read an unfinished job again.

        Where an estimate has failed, the longer ago that was, the less often.
        """
        eta_s = self._left_s(job) if place is None else self._waits_s(job, place)
        return min(MAX_RETRY_S, max(MIN_RETRY_S, math.ceil(eta_s)))

    def _waits_s(self, job: Job, place: QueuePlace) -> float:
        """Return how long to wait for a job that waits: longer than the estimate while its model stands still."""
        load, eta_s = self._monitor.loads.of(job.model), place.eta_s or 0.0
        if sum(load.use.values()) > LEAST_USE * load.capacity.total:
            return eta_s
        return max(eta_s, LATE_PART * (self._monitor.store_time() - job.created_at))

    def _left_s(self, job: Job) -> float:
        """Return how long to wait for a job that runs: until it is probably done; 0 if that is not known."""
        load = self._monitor.loads.of(job.model)
        if not job.price_s or job.started_at is None:
            return 0.0
        # Others share its worker, and a job never has more than one worker.
        beside_s = min(load.shares.running, (1 + MAX_BESIDE) * job.price_s)
        whole_s = max(job.price_s / load.capacity.of_one, beside_s / load.capacity.total, job.least_s)
        left_s = whole_s - (self._monitor.store_time() - job.started_at)
        return max(left_s, -LATE_PART * left_s)


def _rounded(seconds: float | None) -> float | None:
    # To milliseconds: no estimate is better, and the digits would hide that.
    return None if seconds is None else round(seconds, 3)
