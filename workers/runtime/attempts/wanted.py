"""Which jobs a worker wants: what its places (places.py) tell its next turn (turns.py). Step 4 on the path of a job."""

from typing import NamedTuple

from contracts.jobs import Flow
from contracts.store.attempts.turn import Room


class Wanted(NamedTuple):
    """Which jobs a worker has use for."""

    num_jobs: int
    room: Room
    """Memory for them."""
    pass_by: frozenset[Flow] = frozenset()
    """Flows of which it wants none."""

    @property
    def is_for_all(self) -> bool:
        """Whether it wants jobs of any flow."""
        return self.num_jobs > 0 and not self.pass_by


NOBODY = Wanted(0, Room(0, 0, 0, 0))
