"""Where a job waits: what will probably be started before it, and so when it will be done."""

from typing import NamedTuple


class Place(NamedTuple):
    """The place of a job that waits. Work is in work-seconds."""

    position: int
    """Jobs that will probably be started before it."""
    work_ahead_s: float
    """Work that will probably be started before it."""
    price_s: float = 0.0
    """Of the job itself."""
    running_s: float = 0.0
    """Work of the jobs of its model that run."""

    def eta_s(self, lane_rate: float, capacity: float) -> float | None:
        """Return in how many seconds the job will probably be done; None if the rates are not known (0).

        Args:
            lane_rate: work-seconds that the job's lane gets in a second.
            capacity: work-seconds that all workers of its model do in a second.
        """
        if lane_rate <= 0 or capacity <= 0:
            return None
        return (self.work_ahead_s + self.price_s) / lane_rate + self.running_s / capacity
