"""A budget for the bytes of all bodies that are on their way into the store, in all processes of a gateway.

Bytes count as they arrive, so that an announced length alone takes no room. A client may send most of a body, stop, and
hold its room until the time for a body is over. So while room is short, the unfinished body that has held the most
bytes for the longest is given up, and many such clients can't keep others out. One tenant has half of the room at most.
"""

import time
from collections.abc import Callable

import gevent

from contracts.errors import TriptychError
from contracts.limits import NO_LIMIT
from services.gateway.http.bodies.checking import SMALL_BYTES
from services.gateway.offload.errors import GatewayBusy, GatewayShareReached
from services.gateway.processes.counters import Counted, Counters
from services.gateway.processes.shares import Share

_GRACE_S = 1.0
"""A body that arrives in less time is not given up."""
_PATIENCE_S = 3.0
"""How long an arriving body waits for room: longer than ``_GRACE_S``, after which others are given up for it."""
_POLL_S = 0.02
_PART_OF_LARGE = 7 / 8
"""What larger bodies may fill. The rest is kept for small ones, so that large ones never keep them out."""
_TIGHT = 3 / 4
"""Above this part of the budget, unfinished bodies are given up before anybody has to wait for room."""
_WAITING_TIMES = 4
"""A request that waits for its job keeps its texts. Those with large bodies have so many times the budget."""
_TENANT_PART = 1 / 2
"""What one tenant may have of the room for bodies, and of that for requests that wait; at least one body."""
_TOO_MANY_WAIT = (
    "Too many requests with large bodies wait for their jobs. Nothing was accepted. Try again shortly; or send "
    "'Prefer: respond-async', and read the job later."
)
_TOO_MANY_OF_YOURS = (
    "Your requests hold half of the gateway's room for bodies, as much as those of one tenant may (it follows from "
    "TRIPTYCH_MAX_BODIES_BYTES). Nothing was accepted. Send fewer large ones at once, or send 'Prefer: respond-async', "
    "and read the jobs later."
)
_BUSY = "The gateway has no room for another body now. Nothing was accepted; try again shortly."


class BodyBudget:
    """Counts the bytes of bodies, and gives unfinished ones up while room is short.

    Args:
        max_bytes: the budget, for all processes together.
        counters: where the processes count.
        counted: what of it is the count of this budget.
        max_unfinished: how many bodies may take long to arrive at this process. Each holds a connection, so beyond it
            those that have taken the longest are given up.
        longest: bytes of the longest body.
    """

    def __init__(
        self, max_bytes: int, counters: Counters, counted: Counted, *, max_unfinished: int, longest: int
    ) -> None:
        of_tenant = max(longest + 1, int(max_bytes * _TENANT_PART))
        self._share = Share(counters, f"bodies{counted:d}", of_tenant)
        self._waiting_share = Share(counters, f"waiting{counted:d}", _WAITING_TIMES * of_tenant)
        self._max_unfinished = max_unfinished
        self._max_bytes = max_bytes
        self._counters = counters
        self._counted = counted
        self._unfinished: set[Reservation] = set()
        self._watcher: gevent.Greenlet | None = None

    def reserve(self, give_up: Callable[[], None], *, most_bytes: int, owner: str) -> "Reservation":
        """Return a reservation of no bytes yet.

        Args:
            give_up: ends the reading of the body, whose client gets a 503.
            most_bytes: that the body may have: what it announces, or what is allowed if it announces nothing.
            owner: the tenant whose share it uses, see ``Share.try_take``.
        """
        reservation = Reservation(self, give_up, is_small=most_bytes <= SMALL_BYTES, owner=owner)
        self._unfinished.add(reservation)
        if not self._watcher:  # a greenlet that has ended is false, too
            self._watcher = gevent.spawn(self._watch)
        return reservation

    def take(self, num_bytes: int, *, is_small: bool, owner: str) -> None:
        """Count more bytes of a body, if necessary after a short wait.

        Raises:
            GatewayBusy: there is no room.
            GatewayShareReached: there is none for this tenant.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            if not self._share.try_take(owner, num_bytes):
                problem: TriptychError = GatewayShareReached(_TOO_MANY_OF_YOURS)
            elif self._has_room(num_bytes, is_small=is_small):
                return
            else:
                self._share.give_back(owner, num_bytes)
                problem = GatewayBusy(_BUSY)
                self._give_one_up()
            if time.monotonic() > deadline:
                raise problem
            gevent.sleep(_POLL_S)

    def _has_room(self, num_bytes: int, *, is_small: bool) -> bool:
        most = self._max_bytes if is_small else int(self._max_bytes * _PART_OF_LARGE)
        return self._counters.try_add(self._counted, num_bytes, most=most)

    def give_back(self, num_bytes: int, *, waiting: bool, owner: str) -> None:
        """Stop counting bytes; ``waiting`` says where they count now."""
        self._counters.add(Counted.WAITING_BODY_BYTES if waiting else self._counted, -num_bytes)
        (self._waiting_share if waiting else self._share).give_back(owner, num_bytes)

    def move_to_waiting(self, num_bytes: int, owner: str) -> None:
        """Count bytes as those of a request that waits for its job.

        Raises:
            GatewayBusy: there is no room for a large body; its bytes count as before.
            GatewayShareReached: there is none for this tenant.
        """
        is_small = num_bytes <= SMALL_BYTES
        # The limit of connections bounds small ones. A few large bodies that wait must not keep them all out.
        most = NO_LIMIT if is_small else _WAITING_TIMES * self._max_bytes
        if not self._waiting_share.try_take(owner, num_bytes):
            raise GatewayShareReached(_TOO_MANY_OF_YOURS)
        if not self._counters.try_add(Counted.WAITING_BODY_BYTES, num_bytes, most=most):
            self._waiting_share.give_back(owner, num_bytes)
            raise GatewayBusy(_TOO_MANY_WAIT)
        self.give_back(num_bytes, waiting=False, owner=owner)

    def finish(self, reservation: "Reservation") -> None:
        """Never give this body up any more."""
        self._unfinished.discard(reservation)

    def _watch(self) -> None:
        # The body that waits for room may be in another process, which can't end a body of this one.
        while self._unfinished:
            gevent.sleep(_GRACE_S / 4)
            if self._counters.total(self._counted) > _TIGHT * self._max_bytes:
                self._give_one_up()
            slow = sorted(self._slow(), key=lambda one: one.age_s)
            for reservation in slow[self._max_unfinished :]:
                reservation.give_up()

    def _give_one_up(self) -> None:
        slow = self._slow()
        if slow:
            max(slow, key=lambda one: one.num_bytes * one.age_s).give_up()

    def _slow(self) -> list["Reservation"]:
        return [one for one in self._unfinished if one.age_s > _GRACE_S]


class Reservation:
    """The bytes of one body, which count until ``release``."""

    def __init__(self, budget: BodyBudget, give_up: Callable[[], None], *, is_small: bool, owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self._give_up = give_up
        # From its first byte on: the beginnings of many large bodies would fill what is kept for small ones.
        self._is_small = is_small
        self._started = time.monotonic()
        self._waiting = False
        self.num_bytes = 0
        self.given_up = False

    @property
    def age_s(self) -> float:
        """Seconds since the first byte was waited for."""
        return time.monotonic() - self._started

    def add(self, num_bytes: int) -> None:
        """Count bytes before they are read.

        Raises:
            GatewayBusy, GatewayShareReached: there is no room for them.
        """
        self._budget.take(num_bytes, is_small=self._is_small, owner=self._owner)
        self.num_bytes += num_bytes

    def give_back(self, num_bytes: int) -> None:
        """Stop counting bytes that were not read."""
        self._budget.give_back(num_bytes, waiting=self._waiting, owner=self._owner)
        self.num_bytes -= num_bytes

    def complete(self) -> None:
        """All of the body is here: it is not given up any more."""
        self._budget.finish(self)

    def move_to_waiting(self) -> None:
        """Make room for others: from now on the request waits for its job. Raises as ``BodyBudget``."""
        self._budget.move_to_waiting(self.num_bytes, self._owner)
        self._waiting = True

    def release(self) -> None:
        """Give all bytes back. Safe to repeat."""
        self._budget.finish(self)
        self.give_back(self.num_bytes)

    def give_up(self) -> None:
        """End the reading of this body."""
        self.given_up = True
        self._budget.finish(self)
        self._give_up()
