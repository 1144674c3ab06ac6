"""Spreads what one flow floods over turns of the event loop, so that others need not wait for all of it. Step 1.

A request takes several turns of the loop: to be read, to be submitted, to hear of the end. In each it waits for all
requests that are ready as well, which are those of half of the clients of whoever floods this process.
"""

from collections import deque

from gevent import get_hub
from gevent.event import Event

from contracts.jobs import Flow
from contracts.recent_flows import RecentFlows

NUM_AT_ONCE = 4
"""Requests that go on in a turn of the loop, at least one of each flow. With one, a submit took half as long again in
gateway and store, because fewer share a call of the store; with four a tenth."""


class Pacing:
    """Lets requests go on in their order, a few in each turn of the loop, while there are several flows."""

    def __init__(self) -> None:
        self._flows = RecentFlows()
        self._lines: dict[Flow, deque[Event]] = {}
        """Of each flow of which a request goes on in this turn, those that wait for the next ones."""

    def wait(self, flow: Flow) -> None:
        """Return when a request of this flow may go on: at once, unless others of it do so in this turn."""
        self._flows.note(flow)
        if not self._flows.are_several() and not self._lines:
            return
        line = self._lines.get(flow)
        if line is None:
            self._begin_turns()
            self._lines[flow] = deque()
            return
        turn = Event()
        line.append(turn)
        turn.wait()

    def _begin_turns(self) -> None:
        if not self._lines:
            # It fires once the loop has looked for events, and does not let it wait for any.
            self._timer = get_hub().loop.timer(0.0)
            self._timer.start(self._next_turn)

    def _next_turn(self) -> None:
        self._lines = {flow: line for flow, line in self._lines.items() if line}
        for line in self._lines.values():
            for _ in range(min(len(line), max(1, NUM_AT_ONCE // len(self._lines)))):
                line.popleft().set()
        if self._lines:
            self._timer.start(self._next_turn)
