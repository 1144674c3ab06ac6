"""Memory that a worker shares with its heartbeat process: progress, held attempts, and whose rows a call works on.

The worker writes it and the heartbeat process reads it, without a lock: the reader must get on while the worker's
Python stands still, and must find the last state when the worker has died.
"""

import mmap
import os
import struct
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

_HEADER = struct.Struct("=dd")
"""Time of the last sign of progress; start of the model call that is running, or 0. Both by ``time.monotonic()``,
which is one clock for all processes."""
_SLOT = struct.Struct("=BI22s5x")
"""State of an attempt that is held; its number; the id of its job. 32 bytes, so that no slot crosses a page."""
_NOT_HELD, _WAITING, _PREPARING = range(3)
_NUM_LOOKS = 10


class HeldAttempt(NamedTuple):
    """An attempt that the worker holds, as the heartbeat process reads it."""

    job_id: str
    attempt: int
    in_call: bool
    """Whether a model call works on rows of this job now."""
    preparing: bool
    """Whether its own thread works on it: before it waits for model calls, or after."""


class SharedState:
    """The memory itself. The worker may call its methods from any thread.

    Args:
        num_slots: most attempts that are held at once.
        file: descriptor of a state that another process has made; None makes a new one.
    """

    def __init__(self, num_slots: int, file: int | None = None) -> None:
        self.num_slots = num_slots
        self.file = os.memfd_create("triptych-worker") if file is None else file
        size = _HEADER.size + num_slots * (_SLOT.size + 1)
        if file is None:
            os.truncate(self.file, size)
        self._memory = mmap.mmap(self.file, size)
        self._flags_at = _HEADER.size + num_slots * _SLOT.size
        self._slots: dict[str, int] = {}
        """Slot of each job that is held; only the worker has it."""
        self._free = list(range(num_slots))
        self._in_call: Collection[str] = ()
        # Reentrant, as the lock of `HeldAttempts`, whose methods a signal handler may call.
        self._lock = threading.RLock()

    def progress(self, busy_since: float | None = None) -> None:
        """Note that the worker's Python runs, and when the model call that is running has begun."""
        _HEADER.pack_into(self._memory, 0, time.monotonic(), busy_since or 0.0)

    def hold(self, job_id: str, attempt: int) -> None:
        """Note an attempt, in the place of an earlier one at the same job.

        Raises:
            RuntimeError: more attempts are held than there are slots.
        """
        with self._lock:
            slot = self._slots.get(job_id)
            if slot is None:
                if not self._free:
                    raise RuntimeError(f"more than {self.num_slots} attempts are held")
                slot = self._slots[job_id] = self._free.pop()
            _SLOT.pack_into(self._memory, _HEADER.size + slot * _SLOT.size, _WAITING, attempt, job_id.encode())
            if job_id in self._in_call:  # its rows of an earlier attempt, which was in another slot
                self._write_flags()

    def drop(self, job_id: str) -> None:
        """Forget the attempt at a job."""
        with self._lock:
            slot = self._slots.pop(job_id, None)
            if slot is not None:
                self._memory[_HEADER.size + slot * _SLOT.size] = _NOT_HELD
                # At the end of the line, so that a slot that is being read is not filled again at once.
                self._free.insert(0, slot)
                self._write_flags()

    @contextmanager
    def preparing(self, job_id: str) -> Iterator[None]:
        """Note, in a ``with`` block, that a thread of the worker works on a held attempt."""
        self._note(job_id, _PREPARING)
        try:
            yield
        finally:
            self._note(job_id, _WAITING)

    def _note(self, job_id: str, state: int) -> None:
        with self._lock:
            slot = self._slots.get(job_id)
            if slot is not None:
                self._memory[_HEADER.size + slot * _SLOT.size] = state

    def note_call(self, job_ids: Collection[str]) -> None:
        """Note whose rows the next model call works on; an empty collection after the call.

        If the worker dies, these jobs are the first to be blamed (`abandon.lua`).
        """
        if job_ids == self._in_call:  # as in nearly every step of generating texts
            return
        with self._lock:
            self._in_call = job_ids
            self._write_flags()

    def last_progress(self) -> float:
        """Return when the worker's Python ran last, by ``time.monotonic()``."""
        return float(_HEADER.unpack_from(self._memory)[0])

    def busy_since(self) -> float | None:
        """Return when the model call that is running has begun, or None."""
        return float(_HEADER.unpack_from(self._memory)[1]) or None

    def attempts(self) -> list[HeldAttempt]:
        """Return the attempts that the worker holds."""
        # A copy that was taken while the worker wrote may have half of a slot. Two equal copies have none.
        copy = self._memory[:]
        for _ in range(_NUM_LOOKS):
            before, copy = copy, self._memory[:]
            if before == copy:
                break
        slots = _SLOT.iter_unpack(copy[_HEADER.size : self._flags_at])
        return [
            HeldAttempt(job_id.rstrip(b"\0").decode(errors="replace"), attempt, bool(flag), state == _PREPARING)
            for (state, attempt, job_id), flag in zip(slots, copy[self._flags_at :], strict=True)
            if state != _NOT_HELD
        ]

    def _write_flags(self) -> None:
        flags = bytearray(self.num_slots)
        for job_id in self._in_call:
            if job_id in self._slots:
                flags[self._slots[job_id]] = 1
        self._memory[self._flags_at :] = bytes(flags)
