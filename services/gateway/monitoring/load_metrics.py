"""Metrics of the work that waits, and of what the workers of a model do, as the gateway counts on it."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from services.gateway.admission.loads import ModelLoad


def families(loads: Mapping[str, ModelLoad]) -> Iterator[Metric]:
    """Yield the metrics of the models' loads, by model."""
    labels = ["model", "lane"]
    jobs = GaugeMetricFamily("triptych_queue_jobs", "Jobs that wait, without suspects of crashes.", labels=labels)
    work = GaugeMetricFamily("triptych_queue_work_seconds", "Estimated work of jobs that wait.", labels=labels)
    running = GaugeMetricFamily("triptych_running_work_seconds", "Estimated work of jobs that run.", labels=["model"])
    capacity = GaugeMetricFamily(
        "triptych_capacity",
        "Work-seconds that the workers of a model do in a second; those of the last hour if none is alive.",
        labels=["model"],
    )
    for model, load in loads.items():
        for lane, num in load.shares.num.items():
            jobs.add_metric([model, lane], num)
            work.add_metric([model, lane], load.shares.work[lane])
        running.add_metric([model], load.shares.running)
        if load.profile is not None:
            capacity.add_metric([model], load.capacity.total)
    yield from (jobs, work, running, capacity)
