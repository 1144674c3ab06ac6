"""The prices of the models that a worker serves: what they cost here, and by what the jobs of all workers are priced.

The intake tells which jobs have ended, and gets the work that they took. The heartbeat looks now and then at what was
done, announces what the models cost here, and brings what they cost on all workers.
"""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.price.estimate import Consumed, work_of
from contracts.price.profile import ModelProfile
from contracts.store.profiles import KeptProfile
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.models.versions import Models
from workers.runtime.price.counts import ModelCounts
from workers.runtime.price.known_model import KnownModel
from workers.runtime.price.speed import Speed, least_part
from workers.runtime.price.windows import Totals, Window, Windows

Kept = Mapping[str, Mapping[str, KeptProfile]]
"""What the store knows of each model, by worker."""


class Announced(NamedTuple):
    """What other processes get to know of the prices of a worker."""

    speed: float
    profiles: dict[str, ModelProfile]
    """By model."""


class Prices:
    """What the models of a worker cost. Methods can be called from any thread, those of the heartbeat from one.

    Args:
        models: that are served.
        kept: what was known of them when the worker started.
    """

    def __init__(self, models: Models, kept: Kept | None = None) -> None:
        self._models = models
        self._known: dict[str, KnownModel] = {}
        self._speed = Speed()
        self._windows = Windows(time.monotonic())
        self._full_at = -math.inf
        """When the worker was full for the last time."""
        self._lock = threading.Lock()
        for name in models.names():
            self._model(name, list((kept or {}).get(name, {}).values()))

    def ended(self, attempt: Attempt, *, has_succeeded: bool) -> Consumed:
        """Note that an attempt has ended, in whatever way; return what it has consumed."""
        counts = attempt.counts
        name = attempt.claim.model
        model = self._known.get(name) or self._model(name)  # a new version is noticed when it is announced
        if model is None:
            return Consumed(0.0, counts.tokens_in, counts.tokens_out)
        model.num_jobs += 1
        if has_succeeded:
            model.see(attempt.claim.tenant, counts)
        if not model.price.is_known:
            return Consumed(0.0, counts.tokens_in, counts.tokens_out)
        work_s = work_of(
            model.price,
            num_rows=counts.num_rows,
            tokens_in=counts.tokens_in,
            token_pairs=counts.token_pairs,
            tokens_out=counts.tokens_out,
        )
        # A text of megabytes that is refused was tokenized all the same.
        return Consumed(work_s if counts.num_rows else max(work_s, counts.cpu_s), counts.tokens_in, counts.tokens_out)

    def look(self, done: Mapping[str, ModelCounts], *, is_full: bool, taking_s: float) -> None:
        """Look at what was done. The heartbeat calls it about once a second.

        Args:
            done: by the engine since it started, by model.
            is_full: whether jobs have waited ever since the last call.
            taking_s: CPU time that was needed so far to take jobs from the store and to record their ends.
        """
        totals = {name: _totals(model, done.get(name, ModelCounts())) for name, model in self._known.items()}
        now = time.monotonic()
        window = self._windows.look(now, is_full, totals, taking_s)
        if window is None:
            return
        num_jobs = 0.0
        if window.is_full:
            self._full_at = now
            self._note_speed(window)
            num_jobs = sum(each.num_jobs for each in window.done.values())
        for name, each in window.done.items():
            taking_of_job_s = window.taking_s / num_jobs if num_jobs else None
            self._known[name].rates.see_window(each, taking_of_job_s, is_full=window.is_full)

    def use(self, prices: Mapping[str, ModelProfile]) -> None:
        """Set by what jobs are priced: the merged profiles of all workers."""
        for name, price in prices.items():
            if name in self._known:
                self._known[name].price = price

    def announced(self) -> Announced:
        """Return what is to be announced. The speed is one by the prices that are in use."""
        profiles = {name: model.own() for name in self._models.names() if (model := self._model(name))}
        models = {name: self._known[name] for name in profiles}
        prices = {name: model.price for name, model in models.items()}
        speed = self._speed.value(prices, _mean(model.expected_speed() for model in models.values()))
        measured = _mean(model.measured_speed() for model in models.values())
        return Announced(max(speed, measured * least_part(time.monotonic() - self._full_at)), profiles)

    def _note_speed(self, window: Window) -> None:
        # What is done on models without a price would count as nothing, and the worker as slow.
        with_price = [name for name, model in self._known.items() if model.price.is_known]
        self._speed.add(window if len(with_price) == len(self._known) else window.part_of(with_price))

    def _model(self, name: str, kept: list[KeptProfile] | None = None) -> KnownModel | None:
        served, known = self._models.get(name), self._known.get(name)
        if served is None or (known is not None and known.measured is served.profile):
            return known
        with self._lock:
            model = KnownModel(served.profile, kept or ([KeptProfile(known.own(), 1.0, 0.0)] if known else []))
            if known is not None:  # jobs of both versions run
                model.price, model.num_jobs = known.price, known.num_jobs
            self._known = {**self._known, name: model}
        return model


def _totals(model: KnownModel, done: ModelCounts) -> Totals:
    return Totals(
        model.num_jobs, done.num_rows, done.tokens_in, done.token_pairs, done.tokens_out, done.read_s, done.write_s
    )


def _mean(speeds: Iterable[float]) -> float:
    found = list(speeds)
    return sum(found) / len(found) if found else 1.0
