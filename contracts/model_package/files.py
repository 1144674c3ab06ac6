"""One file of a model package, opened so that it can only be a plain file that lies in the folder itself."""

import errno
import hashlib
import io
import os
import stat
from pathlib import Path


class PackageError(Exception):
    """The folder is not a model package that can be served; the message says which file and why."""


def open_plain(path: Path) -> io.FileIO:
    """Open a file for reading, unbuffered.

    The last part of the path is looked at in the same system call that opens it, so there is no moment in which a
    link or a pipe could take the file's place; and a pipe without a writer does not block.

    Raises:
        PackageError: missing, unreadable, a link, a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise PackageError(f"{path}: not a plain file in the package ({_reason(error)})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PackageError(f"{path}: not a plain file in the package")
    return io.FileIO(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a plain file's content as 64 hex digits."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "no such name"
    return "a link" if error.errno == errno.ELOOP else str(error.strerror)
