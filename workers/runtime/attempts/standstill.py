"""Notices when a worker may have lost leases without knowing it."""

from contracts.store.clock import steady_s


class Standstill:
    """Whether this process, its machine or the store has stood still for so long that leases may be over.

    Args:
        lease_s: how long a lease lasts that nobody renews.
    """

    def __init__(self, lease_s: float) -> None:
        self._most_s = lease_s / 3
        self._looked_at = steady_s()
        self._happened = False

    def look(self) -> None:
        """Notice if the last look was long ago."""
        looked_at, self._looked_at = self._looked_at, steady_s()
        self._happened |= self._looked_at - looked_at > self._most_s

    def note_outage(self) -> None:
        """Note that the store is out of reach."""
        self._happened = True

    def was_noticed(self) -> bool:
        """Return whether there was a standstill since the last call."""
        happened, self._happened = self._happened, False
        return happened
