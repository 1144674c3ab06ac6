"""Reads how much work waits in the lanes of a queue, and how much they were given. The scripts write it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from contracts.jobs import LANES, Lane

_MAX = 1e12
"""Nothing that we write is larger. Of NaN it makes 0."""


class LaneUse(NamedTuple):
    """How a lane was used of late; by default nothing is known of it."""

    used: float = 0.0
    """Part of the lane's rate that was used, of 1."""
    weights: float = 0.0
    """Weights of the tenants who used it, as far as each of them took its share."""

    def share_of(self, weight: float) -> float:
        """Return the part of the lane that a tenant has who waits in it. `usual_share` of the scripts."""
        return 1.0 - self.used * (1.0 - weight / max(weight, self.weights))


NOT_KNOWN = LaneUse()


@dataclass(frozen=True)
class Shares:
    """The lanes of one queue. Work is in work-seconds."""

    num: Mapping[Lane, int] = field(default_factory=lambda: dict.fromkeys(LANES, 0))
    """Jobs that wait."""
    work: Mapping[Lane, float] = field(default_factory=lambda: dict.fromkeys(LANES, 0.0))
    """Work that waits."""
    weights: Mapping[Lane, float] = field(default_factory=lambda: dict.fromkeys(LANES, 0.0))
    """Of the tenants of whom jobs wait."""
    virtual: Mapping[Lane, float] = field(default_factory=lambda: dict.fromkeys(LANES, 0.0))
    """Virtual time: work / weight that each tenant of the lane was given that has waited all along."""
    running: float = 0.0
    """Work of the jobs that run."""
    num_running: float = 0.0
    running_of: Mapping[Lane, float] = field(default_factory=lambda: dict.fromkeys(LANES, 0.0))
    """The same of each lane."""
    running_weights: Mapping[Lane, float] = field(default_factory=lambda: dict.fromkeys(LANES, 0.0))
    """Of the tenants of whom jobs run."""

    @classmethod
    def of(cls, reply: Mapping[bytes, bytes]) -> Self:
        """Return what a reply to HGETALL says. What is missing, or no number, is 0."""
        if not reply:  # most queues are empty most of the time
            return cls()

        def number(name: str) -> float:
            try:
                return min(_MAX, max(0.0, float(reply.get(name.encode(), b"0"))))
            except ValueError:
                return 0.0

        return cls(
            num={lane: int(number(f"num:{lane}")) for lane in LANES},
            work={lane: number(f"work:{lane}") for lane in LANES},
            weights={lane: number(f"weights:{lane}") for lane in LANES},
            virtual={lane: number(f"v:{lane}") for lane in LANES},
            running=number("running"),
            num_running=number("num_running"),
            running_of={lane: number(f"running:{lane}") for lane in LANES},
            running_weights={lane: number(f"running_weights:{lane}") for lane in LANES},
        )

    @property
    def num_waiting(self) -> int:
        """Jobs that wait in all lanes."""
        return sum(self.num.values())
