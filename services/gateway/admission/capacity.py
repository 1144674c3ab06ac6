"""How many work-seconds the workers of a model do in a second. Pure functions."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from contracts.store.profiles import KeptProfile


class KnownWorker(NamedTuple):
    """A worker that is alive, or was seen in the last hour."""

    speed: float
    """Work-seconds that it does in a second while it is full."""
    models: Collection[str]


@dataclass(frozen=True)
class Capacity:
    """What a model can count on, in work-seconds a second."""

    total: float
    """Of all workers together."""
    of_one: float
    """Of the fastest one: a job runs on one worker, however many there are."""


UNKNOWN = Capacity(1.0, 1.0)
"""Of a model that no worker has been seen with: that of one worker that nobody has measured."""


def capacities(workers: Iterable[KnownWorker], busy_models: Collection[str]) -> dict[str, Capacity]:
    """Return what each model of these workers can count on.

    A worker divides its speed among those of its models for which jobs wait; ``busy_models`` names these.
    """
    rates: dict[str, list[float]] = {}
    for worker in workers:
        num_busy = sum(model in busy_models for model in worker.models)
        for model in worker.models:
            num_sharing = num_busy if model in busy_models else num_busy + 1
            rates.setdefault(model, []).append(worker.speed / num_sharing)
    return {model: Capacity(sum(found), max(found)) for model, found in rates.items()}


def seen_workers(kept: Mapping[str, Mapping[str, KeptProfile]]) -> list[KnownWorker]:
    """Return the workers of the last hour, from the profiles that are kept of them by model and worker.

    One that took the place of another does not count besides it: those count that were there at the same time.
    """
    models: dict[str, list[str]] = {}
    speeds: dict[str, float] = {}
    for model, entries in kept.items():
        for worker, entry in _together(entries).items():
            models.setdefault(worker, []).append(model)
            speeds[worker] = entry.speed
    return [KnownWorker(speeds[worker], served) for worker, served in models.items()]


def _together(entries: Mapping[str, KeptProfile]) -> Mapping[str, KeptProfile]:
    """Return the workers that were there at the moment when there was most of them."""
    moments = (
        {worker: other for worker, other in entries.items() if other.since <= entry.since <= other.seen_at}
        for entry in entries.values()
    )
    return max(moments, key=lambda found: sum(entry.speed for entry in found.values()), default={})
