"""What the gateway knows of the load of each model, for prices, admission and estimates of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from contracts.jobs import LANES, Lane
from contracts.price.demand import Demand
from contracts.price.estimate import least_s_of, price_of
from contracts.price.profile import ModelProfile
from contracts.store.job_writer import MAX_WORK_S
from contracts.store.profiles import KeptProfile, price_list
from contracts.store.queues.load_reader import Loads
from contracts.store.queues.shares import LaneUse, Shares
from services.gateway.admission.capacity import UNKNOWN, Capacity, KnownWorker, capacities, seen_workers
from services.gateway.admission.lanes import (
    LEAST_PROGRESS,
    NOTHING,
    ByLane,
    lane_rate,
    mean_of_late,
    most_of_late,
    rates,
    use_of_late,
    weights_of_late,
)


@dataclass(frozen=True)
class ModelLoad:
    """What is known of a model's work."""

    profile: ModelProfile | None = None
    """By which its jobs are priced; None before its first worker has said what it costs."""
    capacity: Capacity = UNKNOWN
    shares: Shares = field(default_factory=Shares)
    served: ByLane = field(default_factory=lambda: NOTHING)
    """Work that was started."""
    use: ByLane = field(default_factory=lambda: NOTHING)
    """Work-seconds a second that lanes use, as far as is known."""
    given: ByLane = field(default_factory=lambda: NOTHING)
    """Work-seconds a second that lanes were given, a mean of late."""
    progress: ByLane = field(default_factory=lambda: NOTHING)
    """Of the lanes' virtual times, the same mean."""
    seen: ByLane = field(default_factory=lambda: NOTHING)
    """Most weights of tenants of whom jobs have waited or run of late."""

    def price_s(self, demand: Demand) -> float:
        """Return the work-seconds of a request; 0 if nothing is known of the model."""
        return 0.0 if self.profile is None else min(MAX_WORK_S, price_of(self.profile, demand))

    def least_s(self, demand: Demand) -> float:
        """Return the seconds that a request takes even if nothing else runs; 0 if that is not known."""
        return 0.0 if self.profile is None else round(min(MAX_WORK_S, least_s_of(self.profile, demand)), 3)

    # Known from when it is first asked for: each request asks several times.
    @cached_property
    def lane_rates(self) -> ByLane:
        """Work-seconds that each lane gets in a second."""
        return {lane: lane_rate(lane, self.capacity.total, self.shares.work, self.use) for lane in LANES}

    @cached_property
    def lane_uses(self) -> Mapping[Lane, LaneUse]:
        """How each lane was used of late."""
        weights = weights_of_late(self.given, self.progress, self.seen)
        return {lane: LaneUse(self._used(lane), weights[lane]) for lane in LANES}

    def _used(self, lane: Lane) -> float:
        rate = self.lane_rates[lane]
        # A lane in which more than a second's work waits is used to the full, whatever it was of late.
        return 1.0 if self.shares.work[lane] > rate else min(1.0, self.use[lane] / rate) if rate > 0 else 0.0


NOTHING_KNOWN = ModelLoad()


class LoadBook:
    """The loads of all models. ``note`` brings what was read last."""

    def __init__(self) -> None:
        self._loads: Mapping[str, ModelLoad] = {}
        self._kept: Mapping[str, Mapping[str, KeptProfile]] = {}
        self._profiles: dict[str, ModelProfile] = {}
        self._noted_at = float("-inf")

    @property
    def by_model(self) -> Mapping[str, ModelLoad]:
        """The loads of all known models."""
        return self._loads

    def of(self, model: str) -> ModelLoad:
        """Return the load of a model."""
        return self._loads.get(model, NOTHING_KNOWN)

    def note(self, loads: Loads, kept: Mapping[str, Mapping[str, KeptProfile]], at: float) -> None:
        """Remember what was read at a time, by any clock that never goes back; ``kept`` are the models' profiles."""
        elapsed_s, self._noted_at = at - self._noted_at, at
        busy = {model for model, shares in loads.shares.items() if shares.num_waiting}
        alive = [KnownWorker(card.speed, card.models) for card in loads.workers]
        found = {**capacities(seen_workers(kept), busy), **capacities(alive, busy)}
        if kept is not self._kept:
            self._kept, self._profiles = kept, price_list(kept)
        self._loads = {
            model: ModelLoad(
                profile=self._profiles.get(model),
                capacity=found.get(model, UNKNOWN),
                shares=shares,
                served=loads.served[model],
                **self._of_late(model, shares, loads.served[model], elapsed_s),
            )
            for model, shares in loads.shares.items()
        }

    def _of_late(self, model: str, shares: Shares, served: ByLane, elapsed_s: float) -> dict[str, ByLane]:
        earlier = self._loads.get(model)
        if earlier is None:
            return {}
        if served == earlier.served and max(earlier.use.values()) < LEAST_PROGRESS:
            return {}  # as most models are most of the time
        given = rates(earlier.served, served, elapsed_s)
        progress = rates(earlier.shares.virtual, shares.virtual, elapsed_s)
        return {
            "use": use_of_late(earlier.use, given, elapsed_s),
            "given": mean_of_late(earlier.given, given, elapsed_s),
            "progress": mean_of_late(earlier.progress, progress, elapsed_s),
            "seen": most_of_late(earlier.seen, _weights_in(shares), elapsed_s),
        }


def _weights_in(shares: Shares) -> ByLane:
    """Return the weights of tenants in each lane. Most of whom jobs run have others that wait, or none has."""
    return {lane: max(shares.weights[lane], shares.running_weights[lane]) for lane in LANES}
