"""Spreads what one flow floods over turns of the event loop, so that others need not wait for all of it. Step 1.

A request takes several turns of the loop: to be read, to be submitted, to hear of the end. In each it waits for all
requests that are ready as well, which are those of half of the clients of whoever floods this process.

A flow that sends more than can be done takes the cores that workers and others' requests need, where they share a
machine, and has nothing sooner for it. So its requests pause, as far as none of them waits long for that.
"""

import math
import time
from collections import deque
from typing import Any

from gevent import get_hub
from gevent.event import Event

from contracts.jobs import Flow
from services.gateway.processes.counters import Counters
from services.gateway.processes.recent_flows import SharedRecentFlows

NUM_AT_ONCE = 4
"""Requests that go on in a turn of the loop, at least one of each flow. With one, a submit took half as long again in
gateway and store, because fewer share a call of the store; with four a tenth."""
LONG_S = 10.0
"""If a job of a flow will be done later than that, the flow's requests for its model pause, as they do if one is
refused because of what is there already."""
LONG_FOR_S = 1.0
"""Until the next one says so, too."""
PAUSE_S = 0.01
"""Then one goes on, or more if the last in line would wait for longer than `MAX_WAIT_S`."""
MAX_WAIT_S = 0.5

Crowd = tuple[Flow, str]
"""A flow's requests for one model, by the name that they give it."""


class _Line:
    """Requests that wait: of a crowd that pauses, or all others of a flow."""

    def __init__(self) -> None:
        self.waiting: deque[Event] = deque()
        self.longest = 0

    def wait(self) -> None:
        turn = Event()
        self.waiting.append(turn)
        self.longest = max(self.longest, len(self.waiting))
        turn.wait()

    def let_go(self, num_requests: int) -> None:
        for _ in range(min(num_requests, len(self.waiting))):
            self.waiting.popleft().set()


class Pacing:
    """Lets requests go on a few in each turn of the loop, in the order of their lines, while there are several flows.

    Args:
        counters: of all processes of the gateway: they know together whether there are several flows.
    """

    def __init__(self, counters: Counters) -> None:
        self._flows = SharedRecentFlows(counters)
        self._lines: dict[Crowd, _Line] = {}
        """Of each flow of which a request goes on in this turn, and each crowd that pauses; the model of a flow's other
        requests is empty."""
        self._long_until: dict[Crowd, float] = {}
        self._pause_until = 0.0
        self._timer: Any = None

    def wait(self, flow: Flow, model: str) -> None:
        """Return when a request may go on: at once, unless others like it do so in this turn, or pause."""
        self._flows.note(flow)
        if not self._flows.are_several():
            return
        crowd = flow, model if (flow, model) in self._long_until else ""
        if crowd in self._lines:
            self._lines[crowd].wait()
        else:
            self._lines[crowd] = _Line()
            self._schedule(0.0)

    @property
    def is_needed(self) -> bool:
        """Whether requests wait for others, because there are several flows."""
        return self._flows.are_several()

    def note_eta(self, flow: Flow, model: str, eta_s: float) -> None:
        """Note in how many seconds a job will be done; infinite if it was refused because of others that are there."""
        if eta_s > LONG_S:
            self._long_until[flow, model] = time.monotonic() + LONG_FOR_S

    def _next_turn(self) -> None:
        now = time.monotonic()
        is_pause_over = now >= self._pause_until
        if is_pause_over:
            self._pause_until = now + PAUSE_S
            self._long_until = {crowd: until for crowd, until in self._long_until.items() if until > now}
        most = max(1, NUM_AT_ONCE // len(self._lines))
        for crowd, line in list(self._lines.items()):
            pauses = crowd in self._long_until
            if pauses and not is_pause_over:
                continue
            if not line.waiting:
                del self._lines[crowd]
            # By the longest that the line has been: a share of what is left would be less and less.
            line.let_go(math.ceil(line.longest * PAUSE_S / MAX_WAIT_S) if pauses else most)
        if self._lines:
            all_pause = self._lines.keys() <= self._long_until.keys()
            self._schedule(self._pause_until - now if all_pause else 0.0)

    def _schedule(self, after_s: float) -> None:
        """Have the next turn once the loop has looked for events, which without a pause it does not wait for."""
        if self._timer is not None:
            self._timer.close()
        self._timer = get_hub().loop.timer(after_s)
        self._timer.start(self._next_turn)
