"""Metrics for Prometheus: requests of this gateway, and the state of jobs and workers in the store at each scrape."""

import time
from collections.abc import Callable, Iterable, Iterator

import redis
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from contracts.cards import WorkerCard
from contracts.errors import DeadlineUnreachable, LimitExceeded, Unavailable
from contracts.jobs import Job
from contracts.store.queues.stats import QueueStats
from contracts.store.registry import Registry
from services.gateway.monitoring import generation_metrics, load_metrics
from services.gateway.monitoring.monitor import Monitor

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Up to the default of ``TRIPTYCH_MAX_WAIT_S``, since waits for jobs are part of the time."""

_CEILINGS = {LimitExceeded.code, DeadlineUnreachable.code}
BUCKETS_RATIO = (0.1, 0.25, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2, 4, 10)


class Metrics:
    """Counts requests and submits, and reads the rest from the store at each scrape.

    ``folder`` is where the processes of the gateway count, see ``shared_files.py``; None if this one is alone.
    """

    def __init__(self, queues: QueueStats, registry: Registry, monitor: Monitor, folder: str | None = None) -> None:
        # Otherwise every counter and histogram gets a second series, with the time of its creation.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        # Not prometheus_client's global registry: tests and `describe` make several apps in one process.
        self._prometheus = CollectorRegistry()
        if folder:
            MultiProcessCollector(self._prometheus, folder)  # type: ignore[no-untyped-call]
        # What is read from the files of all processes must not be read from the metrics of this one as well.
        own = None if folder else self._prometheus
        self._requests = Counter("triptych_http_requests", "Requests answered.", ["route", "status"], registry=own)
        self._seconds = Histogram(
            "triptych_http_request_seconds",
            "Time from a request's head to the head of its answer, waits for jobs included.",
            ["route"],
            buckets=BUCKETS_S,
            registry=own,
        )
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._submits = Counter(
            "triptych_submits",
            "Accepted submits; replayed ones got the job of an earlier request.",
            ["task", "replayed"],
            registry=own,
        )
        self._submitted: dict[tuple[str, bool], Counter] = {}
        self._refusals = Counter(
            "triptych_refused",
            "Requests refused because of load, quotas or ceilings, by the error's code.",
            ["reason"],
            registry=own,
        )
        self._price_ratios = Histogram(
            "triptych_price_ratio",
            "Estimated work of a job by its true work, of succeeded jobs each time that their answer is sent.",
            ["model"],
            buckets=BUCKETS_RATIO,
            registry=own,
        )
        self._prometheus.register(StoreCollector(queues, registry, monitor))

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Report at each scrape a number that is known for all processes of the gateway."""
        self._prometheus.register(_Reading(name, text, value))

    def answered(self, route: str, status: int, started_at: float) -> None:
        """Count one request and observe its duration; it began at ``started_at`` by ``time.perf_counter()``."""
        key = (route, status)
        if key not in self._answered:  # a look-up by labels costs more than the counting
            self._answered[key] = (self._requests.labels(route, str(status)), self._seconds.labels(route))
        requests, seconds = self._answered[key]
        requests.inc()
        seconds.observe(time.perf_counter() - started_at)

    def submitted(self, task: str, replayed: bool) -> None:
        """Count one accepted submit."""
        if (task, replayed) not in self._submitted:
            self._submitted[task, replayed] = self._submits.labels(task, str(replayed).lower())
        self._submitted[task, replayed].inc()

    def refused(self, code: str, status: int) -> None:
        """Count a request that was answered with an error, if it was refused for what it asks for or at this time."""
        if status in {429, 503} or code in _CEILINGS:
            self._refusals.labels(code).inc()

    def delivered(self, job: Job) -> None:
        """Observe how good the price of a job was whose answer is sent."""
        if job.status == "succeeded" and job.price_s and job.work_s:
            self._price_ratios.labels(job.model).observe(job.price_s / job.work_s)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._prometheus)


class _Reading:
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, self._text, value=self._value())


class StoreCollector:
    """Reads the store at each scrape. While it is out of reach, ``triptych_store_up`` is 0 and the only metric."""

    def __init__(self, queues: QueueStats, registry: Registry, monitor: Monitor) -> None:
        self._queues = queues
        self._registry = registry
        self._monitor = monitor

    def describe(self) -> Iterable[Metric]:
        """Return no names: they are known from a read only, and registering a collector must not read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the store."""
        try:
            self._monitor.check_store()
            workers = self._registry.workers()
            # All are read before the first is yielded: after that an error could not become `triptych_store_up 0`.
            families = [
                *self._jobs(),
                *load_metrics.families(self._monitor.loads.by_model),
                *_workers(workers),
                *generation_metrics.families(workers),
            ]
        except (redis.RedisError, Unavailable):
            families = []
        yield GaugeMetricFamily("triptych_store_up", "1 while the job store answers.", value=float(bool(families)))
        yield from families

    def _jobs(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("triptych_jobs_waiting", "Jobs that wait for a model.", labels=["model"])
        oldest = GaugeMetricFamily(
            "triptych_oldest_waiting_seconds", "How long the oldest waiting job has waited.", labels=["model"]
        )
        for model in self._registry.models():
            num_waiting, oldest_s = self._queues.depth(model)
            waiting.add_metric([model], num_waiting)
            oldest.add_metric([model], oldest_s)
        yield waiting
        yield oldest
        yield GaugeMetricFamily("triptych_jobs_live", "Jobs that are not finished.", value=self._queues.num_live())
        yield GaugeMetricFamily(
            "triptych_broken_records",
            "Records of jobs, and other keys, that can't be used and were set aside.",
            value=self._queues.num_broken(),
        )
        finished = CounterMetricFamily("triptych_jobs_finished", "Jobs that ended.", labels=["model", "status"])
        for (model, status), count in self._queues.num_finished().items():
            finished.add_metric([model, status], count)
        yield finished


def _workers(workers: list[WorkerCard]) -> Iterator[Metric]:
    # Made anew at each scrape, so that the ids of workers that have ended leave no series behind.
    yield GaugeMetricFamily("triptych_workers_alive", "Workers whose heartbeat is fresh.", value=len(workers))
    running = GaugeMetricFamily("triptych_worker_jobs_running", "Jobs that a worker runs.", labels=["worker"])
    memory = GaugeMetricFamily("triptych_worker_rss_bytes", "Resident memory of a worker.", labels=["worker"])
    batches = CounterMetricFamily("triptych_worker_batches", "Model calls of a worker.", labels=["worker"])
    rows = CounterMetricFamily("triptych_worker_rows", "Rows in a worker's model calls.", labels=["worker"])
    padding = GaugeMetricFamily(
        "triptych_worker_padding_ratio",
        "Tokens that a worker's model calls computed, padding included, per real token.",
        labels=["worker"],
    )
    for card in workers:
        running.add_metric([card.id], card.running)
        memory.add_metric([card.id], card.rss_bytes)
        batches.add_metric([card.id], card.num_batches)
        rows.add_metric([card.id], card.num_rows)
        if card.real_tokens:
            padding.add_metric([card.id], card.padded_tokens / card.real_tokens)
    yield from (running, memory, batches, rows, padding)
