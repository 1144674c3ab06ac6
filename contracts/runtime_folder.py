"""The folder in which the workers of a host leave notes of the jobs they hold, for whoever finds one of them dead.

A worker's note is a file whose name ends in ``.note``. Once its jobs were given back, it ends in ``.charged`` if
suspects are charged with the worker's death and nobody else is, which a supervisor wants to know; otherwise it is gone.
"""

import os
import stat
import tempfile
from pathlib import Path

NOTE, CHARGED = ".note", ".charged"


def runtime_folder(parent: Path | None) -> Path:
    """Return this user's folder, made if it is missing, in ``parent`` or the temporary directory.

    Raises:
        OSError: it can't be made, or others could write there.
    """
    folder = (parent or Path(tempfile.gettempdir())) / f"triptych-{os.geteuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()  # of a link, whoever made it, itself
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder}: expected a folder of this user in which nobody else can write")
    return folder


def take_charge(parent: Path | None, pid: int) -> bool:
    """Return, once, whether suspects are charged with the death of the worker that had this process id."""
    try:
        found = list(runtime_folder(parent).glob(f"*.{pid}.*{CHARGED}"))
        for path in found:
            path.unlink()
    except OSError:
        return False  # without a folder there are no notes
    return bool(found)
