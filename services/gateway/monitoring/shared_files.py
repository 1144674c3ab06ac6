"""Lets the metrics of all processes of a gateway add up: each process counts in files of its own in one folder.

This is prometheus_client's multiprocess mode, with the number of a slot in the place of a process id: a process that
takes over the slot of a dead one goes on in its files, so counters never fall and files don't pile up. Files keep
counters and histograms only. What a process says of its present state ends with it, see ``processes/counters.py``.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from prometheus_client import values

_PREFIX = "triptych-metrics-"
_NEW_S = 60.0
"""A folder that is not locked may have been made just now; later it is a gateway's that was killed."""


def make_folder(parent: str | None) -> str:
    """Return a new folder in ``parent``, or in the folder for temporary files; remove those of killed gateways there.

    It is locked until the last of the processes has ended that this one forks.
    """
    for left in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Other users' folders, and those that another gateway removes at the same time, are none of ours.
        with contextlib.suppress(OSError):
            if left.stat().st_uid == os.geteuid() and time.time() - left.stat().st_mtime > _NEW_S:
                os.close(_lock(left))
                shutil.rmtree(left)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    _lock(Path(folder))
    return folder


def _lock(folder: Path) -> int:
    """Lock a folder and return the descriptor that holds the lock; raise ``OSError`` if another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def count_in(folder: str, slot: int) -> None:
    """Let the metrics that this process makes from now on count in the files of a slot."""
    # Somebody may have emptied the folder for temporary files meanwhile, as systemd does when a user logs out. Without
    # the folder no process could ever start again; counters that begin anew are the smaller loss.
    with contextlib.suppress(FileExistsError):
        Path(folder).mkdir(mode=0o700)
        _lock(Path(folder))
    # The library takes its folder from here and from nowhere else.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # noqa: TID251
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
