"""The notes of a host's workers as files: how a worker makes its own, and how those of dead workers are found.

A worker locks its note as long as it lives, also while it is stopped. The system ends the lock with the process,
however that dies. So a note without a lock is that of a dead worker, and nothing has to be guessed from process ids,
which mean nothing in another container.
"""

import fcntl
import logging
import os
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from contracts.runtime_folder import CHARGED, NOTE, runtime_folder
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)
MAX_AGE_S = 3600.0
"""After this time a file has outlived its use: the leases of whatever it names are over."""


class Note(NamedTuple):
    """The note of a worker that lives."""

    state: SharedState
    path: Path | None
    """None for a note that only the worker and its heartbeat process can see."""


class Orphan(NamedTuple):
    """The note of a worker that is dead. Nobody else has it meanwhile."""

    path: Path
    state: SharedState

    def settle(self, *, charged: bool) -> None:
        """Note that its jobs were given back, and whether suspects are charged with the worker's death."""
        if charged:
            self.path.rename(self.path.with_suffix(CHARGED))
        else:
            self.path.unlink()


def make_note(parent: Path | None, worker_id: str, num_slots: int) -> Note:
    """Make the note of this process, in the user's folder in ``parent``, and lock it until the process ends.

    Without a folder or without space in it the worker works as well, and only others can't help if it dies.
    """
    try:
        path = runtime_folder(parent) / f"{worker_id}{NOTE}"
        return Note(_make_file(path, num_slots), path)
    except OSError as error:
        logger.warning(
            "no note for other workers; if this one dies with its heartbeat process, leases decide",
            extra={"error": str(error)},
        )
        return Note(SharedState(num_slots), None)


def orphans(folder: Path, seen: Collection[Path] = ()) -> Iterator[Orphan]:
    """Yield the notes of dead workers, other than those that were seen before, and remove what is too old.

    Raises:
        OSError: the folder can't be read.
    """
    for path in folder.iterdir():
        file = _take(path)
        if file is None:
            continue
        try:
            if time.time() - os.fstat(file).st_mtime > MAX_AGE_S:
                path.unlink()
            elif path.suffix == NOTE and path not in seen:
                with closing(SharedState.of(file)) as state:
                    yield Orphan(path, state)
        except (OSError, ValueError):
            continue  # of a worker of another version, or nothing that can be read or removed
        finally:
            os.close(file)


def _make_file(path: Path, num_slots: int) -> SharedState:
    """Create a file that is locked until this process ends."""
    hidden = path.with_name(f".{path.name}")  # until it is locked and complete
    file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # By a descriptor of its own, which stays open. The heartbeat process inherits the other one. Who looks for
        # orphans at this moment may have the lock, and lets go of it at once, because the file is empty.
        fcntl.flock(os.open(hidden, os.O_RDWR | os.O_CLOEXEC), fcntl.LOCK_EX)
        state = SharedState(num_slots, file)
        hidden.rename(path)
    except OSError:
        os.close(file)
        hidden.unlink()
        raise
    return state


def _take(path: Path) -> int | None:
    """Lock a file until the descriptor that is returned is closed; return None if others have it or have moved it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), path.lstat()):  # else somebody has done with it between the two calls
            return file
    except OSError:
        pass
    os.close(file)
    return None
