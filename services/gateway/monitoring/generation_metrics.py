"""Metrics of workers that generate texts, from their heartbeats: tokens, times, and how full their caches are."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from contracts.cards import WorkerCard
from contracts.figures import DURATION_BOUNDS_S, Durations

_COUNTERS = {
    "tokens_in": "Tokens of prompts that a worker has read.",
    "tokens_out": "Tokens that a worker has generated.",
    "pauses": "Sequences, and searches, that a worker has paused for more urgent requests, or for those of others.",
}
_GAUGES = {
    "rows_running": "Sequences that a worker generates.",
    "rows_waiting": "Sequences that wait in a worker for a cache slot.",
    "cache_tokens": "Tokens that sequences hold in the caches of a worker.",
    "cache_max_tokens": "Tokens that the caches of a worker have room for.",
}
_DURATIONS = {
    "first_token": "Time from the start of an attempt to its first token.",
    "token_gap": "Time from one token of a sequence to the next.",
}


def families(workers: Iterable[WorkerCard]) -> Iterator[Metric]:
    """Yield the metrics of those workers whose heartbeats carry figures of generation."""
    figures = [(card.id, card.generation) for card in workers if card.generation is not None]
    for name, text in _COUNTERS.items():
        counter = CounterMetricFamily(f"triptych_worker_{name}", text, labels=["worker"])
        for worker, figure in figures:
            counter.add_metric([worker], getattr(figure, name))
        yield counter
    for name, text in _GAUGES.items():
        gauge = GaugeMetricFamily(f"triptych_worker_{name}", text, labels=["worker"])
        for worker, figure in figures:
            gauge.add_metric([worker], getattr(figure, name))
        yield gauge
    for name, text in _DURATIONS.items():
        histogram = HistogramMetricFamily(f"triptych_worker_{name}_seconds", text, labels=["worker"])
        for worker, figure in figures:
            durations: Durations = getattr(figure, name)
            histogram.add_metric([worker], _buckets(durations), durations.sum_s)
        yield histogram


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    """Return the cumulative count at each bound, as Prometheus defines the buckets of a histogram."""
    bounds = [*map(str, DURATION_BOUNDS_S), "+Inf"]
    return list(zip(bounds, accumulate(map(float, durations.counts)), strict=True))
