"""Spreads what one flow floods over turns of the event loop, so that others need not wait for all of it. Step 1.

A request takes several turns of the loop: to be read, to be submitted, to hear of the end. In each it waits for all
requests that are ready as well, which are those of half of the clients of whoever floods this process.

A flow of which much waits gets nothing done sooner by what it submits, but takes the cores that workers and others'
requests need, where they share a machine. So its requests pause, as far as none of them waits long for that.
"""

import math
import time
from collections import deque
from typing import Any

from gevent import get_hub
from gevent.event import Event

from contracts.jobs import Flow
from contracts.recent_flows import RecentFlows

NUM_AT_ONCE = 4
"""Requests that go on in a turn of the loop, at least one of each flow. With one, a submit took half as long again in
gateway and store, because fewer share a call of the store; with four a tenth."""
LONG_S = 10.0
"""If a flow's last job will be done later than that, its requests pause."""
LONG_FOR_S = 1.0
"""Until the next job says so, too: they may be of several models."""
PAUSE_S = 0.01
"""Then one goes on, or more if the last in line would wait for longer than `MAX_WAIT_S`."""
MAX_WAIT_S = 0.5


class Pacing:
    """Lets requests go on in the order of each flow, a few in each turn of the loop, while there are several flows."""

    def __init__(self) -> None:
        self._flows = RecentFlows()
        self._lines: dict[Flow, deque[Event]] = {}
        """Of each flow of which a request goes on in this turn, or that pauses, those that wait for the next ones."""
        self._long_until: dict[Flow, float] = {}
        self._pause_until = 0.0
        self._timer: Any = None

    def wait(self, flow: Flow) -> None:
        """Return when a request of this flow may go on: at once, unless others of it do so in this turn."""
        self._flows.note(flow)
        if not self._flows.are_several():
            return
        if flow in self._lines:
            turn = Event()
            self._lines[flow].append(turn)
            turn.wait()
        else:
            self._lines[flow] = deque()
            self._schedule(0.0)

    def note_eta(self, flow: Flow, eta_s: float) -> None:
        """Note in how many seconds a job that was submitted for a flow will be done."""
        if eta_s > LONG_S:
            self._long_until[flow] = time.monotonic() + LONG_FOR_S

    def _next_turn(self) -> None:
        now = time.monotonic()
        is_pause_over = now >= self._pause_until
        if is_pause_over:
            self._pause_until = now + PAUSE_S
            self._long_until = {flow: until for flow, until in self._long_until.items() if until > now}
        most = max(1, NUM_AT_ONCE // len(self._lines))
        for flow, line in list(self._lines.items()):
            if flow not in self._long_until:
                num = most
            elif is_pause_over:
                num = math.ceil(len(line) * PAUSE_S / MAX_WAIT_S)
            else:
                continue
            if not line:
                del self._lines[flow]
            for _ in range(min(num, len(line))):
                line.popleft().set()
        if self._lines:
            all_pause = self._lines.keys() <= self._long_until.keys()
            self._schedule(self._pause_until - now if all_pause else 0.0)

    def _schedule(self, after_s: float) -> None:
        """Have the next turn once the loop has looked for events, which without a pause it does not wait for."""
        if self._timer is not None:
            self._timer.close()
        self._timer = get_hub().loop.timer(after_s)
        self._timer.start(self._next_turn)
