"""Opens and hashes one file of a model package. It must be a regular file directly in the folder."""

import errno
import hashlib
import io
import os
import stat
from pathlib import Path


class PackageError(Exception):
    """The folder is not a model package that can be served; the message names the file and the reason."""


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, unbuffered.

    Raises:
        PackageError: missing, unreadable, a link, a folder, a pipe or a device.
    """
    # O_NOFOLLOW refuses a link in the same system call that opens the file, so nobody can swap the file for a link
    # between a check and the open. O_NONBLOCK: opening a pipe without a writer would block for ever.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise PackageError(f"{path}: not a regular file in the package ({_reason(error)})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PackageError(f"{path}: not a regular file in the package")
    return io.FileIO(descriptor)


def is_file_name(name: str) -> bool:
    """Return whether a name from a manifest or an archive is that of a file directly in the folder of its package."""
    # By the name alone: resolved paths differ from given ones in relative and in linked folders.
    return name not in {"", ".", ".."} and Path(name).name == name and "\0" not in name


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a regular file's content as 64 hex digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "no such name"
    return "a link" if error.errno == errno.ELOOP else str(error.strerror)
