"""Whether several flows were there of late. Then what one of them floods is served in small portions.

Larger ones cost less, but keep a newcomer waiting. Who has a gateway or a worker for itself need not pay for that.
"""

import math
import time

from contracts.jobs import Flow

SEVERAL_S = 10.0
"""For how long there are several flows after one has come that is not the one before."""


class RecentFlows:
    """The flows that a process has served last. A caller with several threads needs a lock."""

    def __init__(self) -> None:
        self._last: Flow | None = None
        self._several_until = -math.inf

    def note(self, flow: Flow) -> None:
        """Note that something of a flow has come."""
        if flow != self._last:
            if self._last is not None:
                self._several_until = time.monotonic() + SEVERAL_S
            self._last = flow

    def are_several(self) -> bool:
        """Return whether there are several."""
        return time.monotonic() < self._several_until
