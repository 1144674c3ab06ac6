"""Counts that the processes of one gateway keep together, so that a limit holds for all of them.

gunicorn's arbiter makes one block of shared memory before it forks. Each process writes to a slot of its own, so none
needs a lock, and a total is the sum over all slots. The arbiter clears the slot of a process that has died: what it
had counted ended with it.
"""

import mmap
from enum import IntEnum


class Counted(IntEnum):
    """What is counted; each member is a column of a slot."""

    STREAMS = 0
    BODY_BYTES = 1
    KEYLESS_BODY_BYTES = 2
    LOOP_LAG_US = 3
    WAITING_BODY_BYTES = 4
    WAITING_REQUESTS = 5
    LAST_FLOW = 6
    """Its hash; this and the next two are for `recent_flows`."""
    LAST_FLOW_AT_MS = 7
    SEVERAL_FLOWS_UNTIL_MS = 8


_NUM_KEYS_COLUMN = len(Counted)
_FIRST_KEY = len(Counted) + 1
_INT_BYTES = 8


class Counters:
    """The counts of one gateway. Without a server, as in tests, the one slot is in use from the start.

    Call it from the thread of gevent's loop only: within a process nothing else keeps two additions apart. A slot also
    has ``max_keys`` counts by a text, such as a tenant.
    """

    def __init__(self, num_slots: int = 1, max_keys: int = 4096) -> None:
        self._max_keys = max_keys
        size = _FIRST_KEY + 2 * max_keys
        # Anonymous and shared: forked processes have the same memory, and it is gone with the last of them.
        numbers = memoryview(mmap.mmap(-1, num_slots * size * _INT_BYTES)).cast("q")
        self._slots = [numbers[slot * size : (slot + 1) * size] for slot in range(num_slots)]
        self._taken: set[int] = set()
        self.use(0)

    def take_slot(self) -> int:
        """Return a slot for a process that is about to be forked. For the arbiter.

        Raises:
            RuntimeError: every slot is taken.
        """
        free = set(range(len(self._slots))) - self._taken
        if not free:
            raise RuntimeError("more processes than slots")
        slot = min(free)
        self._taken.add(slot)
        return slot

    def free_slot(self, slot: int) -> None:
        """Forget what a process counted that has ended. For the arbiter."""
        self._slots[slot][:] = memoryview(bytes(self._slots[slot].nbytes)).cast("q")
        self._taken.discard(slot)

    def use(self, slot: int) -> None:
        """Count in this slot. For a process that has just been forked."""
        self._own = self._slots[slot]
        # The place in the slot of each text that has a count, and places that are free again.
        self._places: dict[str, int] = {}
        self._free_places: list[int] = []

    def add(self, counted: Counted, amount: int) -> None:
        """Add an amount, which may be negative, to the count of this process."""
        self._own[counted] += amount

    def set(self, counted: Counted, value: int) -> None:
        """Set what this process says of itself."""
        self._own[counted] = value

    def largest(self, counted: Counted) -> int:
        """Return the largest value of any process."""
        return max(slot[counted] for slot in self._slots)

    def values(self, counted: Counted) -> list[int]:
        """Return the value of each process; 0 of those that have none, or are not there."""
        return [slot[counted] for slot in self._slots]

    def total(self, counted: Counted) -> int:
        """Return the sum over all processes."""
        return sum(slot[counted] for slot in self._slots)

    def try_add(self, counted: Counted, amount: int, most: int) -> bool:
        """Add, unless the total would then be more than ``most``; return whether it was added."""
        # First added and then compared: of two processes that compared first, both would take the last place.
        self.add(counted, amount)
        if self.total(counted) <= most:
            return True
        self.add(counted, -amount)
        return False

    def add_for(self, key: str, amount: int) -> None:
        """Add an amount, which may be negative, to this process's count of a text.

        Raises:
            RuntimeError: as many other texts as a slot has room for have counts.
        """
        if key not in self._places:
            self._places[key] = self._new_place(key)
        place = self._places[key]
        self._own[place + 1] += amount
        if not self._own[place + 1]:
            self._free_places.append(self._places.pop(key))

    def total_for(self, key: str) -> int:
        """Return the sum of a text's counts over all processes."""
        wanted = hash(key)  # the same in all of them, since Python chooses the seed before the arbiter forks
        total = 0
        for slot in self._slots:
            cells = slot[_FIRST_KEY : _FIRST_KEY + 2 * slot[_NUM_KEYS_COLUMN]].tolist()
            total += sum(count for found, count in zip(cells[::2], cells[1::2], strict=True) if found == wanted)
        return total

    def try_add_for(self, key: str, amount: int, most: int) -> bool:
        """Add, unless the total of the text would then be more than ``most``; return whether it was added.

        It is not added either where there is no room for the count of another text.
        """
        if key not in self._places and len(self._places) >= self._max_keys:
            return False
        self.add_for(key, amount)
        if self.total_for(key) <= most:
            return True
        self.add_for(key, -amount)
        return False

    def _new_place(self, key: str) -> int:
        if self._free_places:
            place = self._free_places.pop()
        elif self._own[_NUM_KEYS_COLUMN] < self._max_keys:
            place = _FIRST_KEY + 2 * self._own[_NUM_KEYS_COLUMN]
            self._own[_NUM_KEYS_COLUMN] += 1
        else:
            raise RuntimeError("too many texts have counts")
        self._own[place] = hash(key)
        return place
