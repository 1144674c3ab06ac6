"""Turns of calls that run one at a time: tenants take turns, and those of one tenant go in their order."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from services.gateway.offload.errors import GatewayBusy


class Turns:
    """Lets one greenlet at a time go on."""

    def __init__(self) -> None:
        self._is_taken = False
        # Of each tenant that waits its calls; the tenant whose turn is next comes first.
        self._waiting: dict[str, deque[Event]] = {}

    @contextmanager
    def taken(self, owner: str, max_wait_s: float) -> Iterator[None]:
        """Wait for a turn of this tenant, and keep it for the block.

        Raises:
            GatewayBusy: it did not come in time.
        """
        if self._is_taken:
            self._wait(owner, max_wait_s)
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, owner: str, max_wait_s: float) -> None:
        turn = Event()
        self._waiting.setdefault(owner, deque()).append(turn)
        came = False
        try:
            came = turn.wait(max_wait_s)
        finally:
            if not came:
                self._give_up(owner, turn)
        if not came:
            raise GatewayBusy

    def _give_up(self, owner: str, turn: Event) -> None:
        if turn.is_set():  # it came in the moment in which its greenlet was interrupted
            return self._pass_on()
        calls = self._waiting[owner]
        calls.remove(turn)
        if not calls:
            del self._waiting[owner]
        return None

    def _pass_on(self) -> None:
        if not self._waiting:
            self._is_taken = False
            return
        owner, calls = next(iter(self._waiting.items()))
        turn = calls.popleft()
        del self._waiting[owner]
        if calls:
            self._waiting[owner] = calls  # behind all others
        # Still taken: by the one who waits here, and not by whoever comes before it runs.
        turn.set()
