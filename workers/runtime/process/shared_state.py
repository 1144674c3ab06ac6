"""Memory that a worker shares with its heartbeat process: progress, held attempts, and whose rows a call works on.

The worker writes it and the heartbeat process reads it, without a lock: the reader must get on while the worker's
Python stands still. Usually it is a file (`note_files.py`), in which whoever finds the worker dead reads its last
state. So it must make sense at each moment: what belongs together takes effect by one write of an aligned word.
"""

import logging
import mmap
import os
import struct
import threading
import time
from collections.abc import Collection
from typing import NamedTuple, Self

logger = logging.getLogger(__name__)
_VERSION = b"triptyc1"
"""Another one for each change of what follows."""
# Native sizes, whose fields Python copies in one step each; with "=" it would write them byte by byte.
_HEADER = struct.Struct("@8sIIddd")
"""Version; number of slots; number of the model call that runs, or 0; then three times by ``time.monotonic()``, which
is one clock for all processes: the last sign of progress; start of the model call that runs, or 0; the last turn."""
_CALL = struct.Struct("@I")
_TIME = struct.Struct("@d")
_CALL_AT, _PROGRESS_AT, _TURN_AT = 12, 16, 32
_SLOTS_AT = 64
_SLOT = struct.Struct("@B?xxII22sxx")
"""State of an attempt that is held; whether its job is a suspect; its number; the last model call that works on its
rows; the id of its job."""
_SLOT_CALL_AT = 8
_NOT_HELD, _WAITING, _PREPARING = range(3)
_NUM_LOOKS = 10


class HeldAttempt(NamedTuple):
    """An attempt that the worker holds, as others read it."""

    job_id: str
    attempt: int
    in_call: bool
    """Whether a model call works on rows of this job now."""
    preparing: bool
    """Whether a thread works on it: before its task waits for model calls, or after."""
    suspect: bool
    """Whether the job was taken as a suspect, which an earlier worker may have died of."""


class SharedState:
    """The memory itself. The worker may call its methods from any thread.

    Args:
        num_slots: most attempts that are held at once.
        file: descriptor of an empty file for it; by default one without a name.

    Raises:
        OSError: there is no space for it.
    """

    def __init__(self, num_slots: int, file: int | None = None) -> None:
        self.file = os.memfd_create("triptych-worker") if file is None else file
        # All blocks now: on a disk that is full, writing to mapped memory without one ends the process.
        os.posix_fallocate(self.file, 0, _SLOTS_AT + num_slots * _SLOT.size)
        self._map()
        _HEADER.pack_into(self._memory, 0, _VERSION, num_slots, 0, 0.0, 0.0, 0.0)
        self._slots: dict[str, int] = {}
        """Where in the memory the slot of each job is that is held; only the worker has it."""
        self._free = [_place(number) for number in range(num_slots)]
        self._in_call: Collection[str] = ()
        self._call = 0
        # Reentrant, as the lock of `HeldAttempts`, whose methods a signal handler may call.
        self._lock = threading.RLock()

    @classmethod
    def of(cls, file: int) -> Self:
        """Return the state in a file that another process has made, to be read only.

        Raises:
            OSError: it can't be read.
            ValueError: it is none, or one of another version.
        """
        state = cls.__new__(cls)
        state.file = file
        state._map()
        if state._memory[: len(_VERSION)] != _VERSION or len(state._memory) != _place(state._header()[1]):
            raise ValueError("no state of this version")
        return state

    def _map(self) -> None:
        self._memory = mmap.mmap(self.file, 0)

    def close(self) -> None:
        """Let go of the memory, which others go on using."""
        self._memory.close()

    def progress(self, busy_since: float | None = None) -> None:
        """Note that the worker's Python runs, and when the model call that is running has begun."""
        struct.pack_into("@dd", self._memory, _PROGRESS_AT, time.monotonic(), busy_since or 0.0)

    def note_turn(self) -> None:
        """Note that the worker has asked for jobs, or has no room for any: it does what it should."""
        _TIME.pack_into(self._memory, _TURN_AT, time.monotonic())

    def hold(self, job_id: str, attempt: int, *, suspect: bool = False) -> None:
        """Note an attempt, in the place of an earlier one at the same job.

        If there are more attempts than slots, those without one run as well, but nobody renews their leases.
        """
        with self._lock:
            slot = self._slots.get(job_id)
            if slot is None:
                if not self._free:  # an error here would leave it, and those that came with it, in hand for ever
                    logger.error("more attempts than the note has place for", extra={"job_id": job_id})
                    return
                slot = self._slots[job_id] = self._free.pop()
            # Its rows may be those of an earlier attempt, which was in another slot.
            call = self._call if job_id in self._in_call else 0
            self._memory[slot] = _NOT_HELD
            _SLOT.pack_into(self._memory, slot, _NOT_HELD, suspect, attempt, call, job_id.encode())
            self._memory[slot] = _WAITING

    def drop(self, job_id: str) -> None:
        """Forget the attempt at a job."""
        with self._lock:
            slot = self._slots.pop(job_id, None)
            if slot is not None:
                self._memory[slot] = _NOT_HELD
                # At the end of the line, so that a slot that is being read is not filled again at once.
                self._free.insert(0, slot)

    def note_preparing(self, job_id: str, is_preparing: bool) -> None:
        """Note whether a thread of the worker works on a held attempt."""
        with self._lock:
            slot = self._slots.get(job_id)
            if slot is not None:
                self._memory[slot] = _PREPARING if is_preparing else _WAITING

    def note_call(self, job_ids: Collection[str]) -> None:
        """Note whose rows the next model call works on; an empty collection after the call.

        If the worker dies, these jobs are the first to be blamed.
        """
        if job_ids == self._in_call:  # as in nearly every step of generating texts
            return
        with self._lock:
            self._in_call = job_ids
            if job_ids:
                self._call = self._call % 0xFFFFFFFF + 1
                for job_id in job_ids:
                    if job_id in self._slots:
                        _CALL.pack_into(self._memory, self._slots[job_id] + _SLOT_CALL_AT, self._call)
            _CALL.pack_into(self._memory, _CALL_AT, self._call if job_ids else 0)  # all of them at once

    def last_progress(self) -> float:
        """Return when the worker's Python ran last, by ``time.monotonic()``."""
        return float(self._header()[3])

    def busy_since(self) -> float | None:
        """Return when the model call that is running has begun, or None."""
        return float(self._header()[4]) or None

    def last_turn(self) -> float:
        """Return when the worker last asked for jobs or had no room, by ``time.monotonic()``."""
        return float(self._header()[5])

    def attempts(self) -> list[HeldAttempt]:
        """Return the attempts that the worker holds."""
        # A copy that was taken while the worker wrote may have half of a slot. Two equal copies have none.
        copy = self._memory[:]
        for _ in range(_NUM_LOOKS):
            before, copy = copy, self._memory[:]
            if before == copy:
                break
        num_slots, call = _HEADER.unpack_from(copy)[1:3]
        slots = _SLOT.iter_unpack(copy[_SLOTS_AT : _place(num_slots)])
        return [
            HeldAttempt(_text(job_id), attempt, 0 < call == slot_call, state == _PREPARING, suspect)
            for state, suspect, attempt, slot_call, job_id in slots
            if state != _NOT_HELD
        ]

    def _header(self) -> tuple[bytes, int, int, float, float, float]:
        return _HEADER.unpack_from(self._memory)


def _text(job_id: bytes) -> str:
    return job_id.rstrip(b"\0").decode(errors="replace")


def _place(number: int) -> int:
    """Return where the slot of a number is in the memory."""
    return _SLOTS_AT + number * _SLOT.size
