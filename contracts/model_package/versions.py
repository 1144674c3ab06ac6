"""Identifies versions of a package, and notices files that change while a package is loaded."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from contracts.model_package.manifest import MANIFEST, Manifest
from contracts.model_package.manifest_file import read_manifest_bytes


class FileState(NamedTuple):
    """What a file system says about a file without its content."""

    name: str
    num_bytes: int
    ctime_ns: int
    """Time of the last change. Unlike the modification time, copying tools can't set it to the time of the original."""
    inode: int
    """Differs when a file was replaced by renaming, even if size and time are the same."""


Snapshot = tuple[FileState, ...]
"""The states of a folder's files by name. If two snapshots are equal, nobody wrote to the folder in between."""


def manifest_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's manifest, which identifies a version, whether or not it can be served.

    The manifest lists the SHA-256 of every other file, so its own digest changes when any of them does.

    Raises:
        PackageError: the file is missing, not a regular file, or larger than a manifest may be.
    """
    return hashlib.sha256(read_manifest_bytes(folder)).hexdigest()


def snapshot_of(folder: Path, manifest: Manifest | None = None) -> Snapshot:
    """Return the states of the files that a manifest lists, or of all files. Missing files are left out."""
    states = []
    names = [MANIFEST, *manifest.files] if manifest else _names(folder)
    for name in sorted(names):
        try:
            # Not stat, for which a file and a link to it look the same.
            found = os.lstat(folder / name)
        except (OSError, ValueError):  # ValueError: a zero byte in the name
            continue
        states.append(FileState(name, found.st_size, found.st_ctime_ns, found.st_ino))
    return tuple(states)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # the folder may have been removed since it was found
        return []
