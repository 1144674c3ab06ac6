"""Calls of functions in a child process of this gateway process, without holding the event loop meanwhile.

Such calls take their turns. There are two lanes, each with a child of its own: small calls never wait for large ones.
Nor do a tenant's calls wait for more than one of each other tenant, who has half of a lane's places at most. A child is
started by the first call of its lane, and ends with the gateway or after ``idle_s`` without a call.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gevent

from services.gateway.offload.child import Child, ChildDied
from services.gateway.offload.errors import GatewayBusy, GatewayShareReached
from services.gateway.offload.frames import Call
from services.gateway.offload.turns import Turns

logger = logging.getLogger(__name__)
Function = Callable[[bytes], bytes]
SMALL_CALL_BYTES = 512 * 1024
"""A call whose argument is not longer has the lane of small calls."""
_TOO_MANY_OF_YOURS = (
    "Your large requests and answers that wait for their turn are as many as those of one tenant may be. Try again "
    "shortly."
)
CPU_S = 10.0
"""CPU time of one call, unless the caller sets another limit."""
MAX_WAIT_S = 30.0
"""The same for its wait: what an answer is made of was computed already, and is worth a wait."""


class Offload:
    """Runs functions in child processes. They must be at the top of a module, so that a child can import them.

    Args:
        max_calls: how many calls of one lane may wait or run.
        max_bytes: how long all their arguments may be together; a single call may be longer.
        idle_s: after how long without a call a child ends, and gives its memory back.
    """

    def __init__(self, *, max_calls: int = 64, max_bytes: int = 64 << 20, idle_s: float = 30.0) -> None:
        self._small = _Lane(max_calls, max_bytes, idle_s)
        self._large = _Lane(max_calls, max_bytes, idle_s)

    def call(
        self,
        function: Function,
        argument: bytes,
        *,
        owner: str = "",
        cpu_s: float = CPU_S,
        max_wait_s: float = MAX_WAIT_S,
        on_turn: Callable[[], None] | None = None,
    ) -> bytes:
        """Return ``function(argument)``, which a child computes. Other greenlets run meanwhile.

        ``owner`` is the tenant whose places and turns the call uses, empty while requests need no key. ``cpu_s`` limits
        the CPU time, ``max_wait_s`` the wait for the call's turn. ``on_turn`` is called when the turn has come; what it
        raises gives up the call, for example because the client has disconnected.

        Raises:
            TriptychError: the function raised it.
            CallFailed: the function raised another exception.
            CallLimitExceeded: it took more than ``cpu_s``, or too much memory.
            GatewayBusy: too many calls wait, or two children died under this one.
            GatewayShareReached: too many calls of this tenant wait.
        """
        lane = self._small if len(argument) <= SMALL_CALL_BYTES else self._large
        call = Call(f"{function.__module__}:{function.__qualname__}", cpu_s)
        with lane.turn(len(argument), owner, max_wait_s):
            if on_turn:
                on_turn()
            return lane.run(call, argument)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that run now."""
        return [lane.child.pid for lane in (self._small, self._large) if lane.child]

    def stop(self) -> None:
        """End the children. A later call starts new ones."""
        for lane in (self._small, self._large):
            lane.stop()


class _Lane:
    def __init__(self, max_calls: int, max_bytes: int, idle_s: float) -> None:
        self._max_calls, self._max_bytes = max_calls, max_bytes
        self._idle_s = idle_s
        self._turns = Turns()
        self._all = _Load()
        self._loads: dict[str, _Load] = {}
        """Of tenants that have calls here."""
        self._stopper: gevent.Greenlet | None = None
        self.child: Child | None = None

    @contextmanager
    def turn(self, size: int, owner: str, max_wait_s: float) -> Iterator[None]:
        """Wait for the turn of a call, and keep it for the block."""
        with self._place(size, owner), self._turns.taken(owner, max_wait_s):
            if self._stopper:
                self._stopper.kill(block=False)
            try:
                yield
            finally:
                # Before the turn passes on, so that the next call can't miss it.
                self._stopper = gevent.spawn_later(self._idle_s, self.stop)

    def run(self, call: Call, argument: bytes) -> bytes:
        """Run a call whose turn has come."""
        try:
            return self._run(call, argument)
        except ChildDied as error:
            logger.warning(
                "a child process was killed, or did not start; its call is tried once more", extra=_why(error)
            )
        try:
            return self._run(call, argument)
        except ChildDied as error:
            logger.error("a child process was killed, or did not start, again with the same call", extra=_why(error))
            raise GatewayBusy from error

    def stop(self) -> None:
        child, self.child = self.child, None
        if child:
            child.end()

    def _run(self, call: Call, argument: bytes) -> bytes:
        if self.child is None:
            try:
                self.child = Child()
            except OSError as error:  # no process, memory or descriptor is left for one at the moment
                raise ChildDied(str(error)) from error
        try:
            return self.child.call(call, argument)
        finally:
            if self.child and not self.child.alive:
                self.child = None

    @contextmanager
    def _place(self, size: int, owner: str) -> Iterator[None]:
        """Count a call as one that waits or runs."""
        if not self._all.has_room(size, self._max_calls, self._max_bytes):
            raise GatewayBusy
        own = self._loads.setdefault(owner, _Load()) if owner else _Load()
        if not own.has_room(size, self._max_calls // 2, self._max_bytes // 2):
            raise GatewayShareReached(_TOO_MANY_OF_YOURS)
        for load in (self._all, own):
            load.add(1, size)
        try:
            yield
        finally:
            for load in (self._all, own):
                load.add(-1, -size)
            if not own.num_calls:
                self._loads.pop(owner, None)


@dataclass
class _Load:
    """Calls that wait or run."""

    num_calls: int = 0
    num_bytes: int = 0

    def has_room(self, size: int, max_calls: int, max_bytes: int) -> bool:
        """Return whether there is room for one more; a single one may be longer than all may be together."""
        return not self.num_calls or (self.num_calls < max_calls and self.num_bytes + size <= max_bytes)

    def add(self, num_calls: int, num_bytes: int) -> None:
        self.num_calls += num_calls
        self.num_bytes += num_bytes


def _why(error: ChildDied) -> dict[str, str]:
    return {"error": str(error)}
