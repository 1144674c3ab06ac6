"""Whether several flows were there of late, in any process of a gateway."""

import time

from contracts.jobs import Flow
from contracts.recent_flows import SEVERAL_S
from services.gateway.processes.counters import Counted, Counters


class SharedRecentFlows:
    """The flows that the processes of a gateway have served last. Each process tells the others of its own."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def note(self, flow: Flow) -> None:
        """Note that a request of a flow has come to this process."""
        counters, now_ms = self._counters, _now_ms()
        flow_hash = hash(flow)  # the same in all processes, see `Counters.total_for`
        last = zip(counters.values(Counted.LAST_FLOW), counters.values(Counted.LAST_FLOW_AT_MS), strict=True)
        other_at_ms = max((at_ms for one, at_ms in last if at_ms and one != flow_hash), default=0)
        until_ms = other_at_ms + round(1000 * SEVERAL_S) if other_at_ms else 0
        if until_ms > counters.largest(Counted.SEVERAL_FLOWS_UNTIL_MS):
            counters.set(Counted.SEVERAL_FLOWS_UNTIL_MS, until_ms)
        counters.set(Counted.LAST_FLOW, flow_hash)
        counters.set(Counted.LAST_FLOW_AT_MS, now_ms)

    def are_several(self) -> bool:
        """Return whether a flow has come in the last `SEVERAL_S` that was not the one before."""
        return _now_ms() < self._counters.largest(Counted.SEVERAL_FLOWS_UNTIL_MS)


def _now_ms() -> int:
    # One clock for all processes of a machine, which nobody sets.
    return round(1000 * time.monotonic())
