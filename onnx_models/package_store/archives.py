"""Unpacks the archive of a package that somebody else made: the manifest, and what it lists, and nothing more.

Whatever an archive states about itself may be wrong. So all that is unpacked is counted, and an archive that unpacks to
far more than its own size is refused: weights hardly shrink when they are packed.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.model_package.files import PackageError, is_file_name
from contracts.model_package.manifest import MANIFEST, Manifest
from contracts.model_package.manifest_file import MAX_MANIFEST_BYTES, read_manifest
from onnx_models.errors import ExportError
from onnx_models.package_store.entries import Entry, budget_of, entries_of, too_large

_RESERVE_BYTES = 256 << 20
"""What stays free on the disk: others write to it, too."""
_CHUNK_BYTES = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Write a package's manifest, and the files that it lists, into a new folder.

    Raises:
        ExportError: it is no archive, has no manifest, unpacks to too much, or holds links, devices, pipes or paths
            that lead out of the folder.
        PackageError: the manifest is not valid.
    """
    folder.mkdir()
    budget_bytes = budget_of(archive)
    with _refusing(archive):
        # Two passes: the manifest may be the last file of the archive.
        for entry in entries_of(archive):
            if not _is_of_macos(entry) and _name_of(entry) == MANIFEST:
                if entry.num_bytes > MAX_MANIFEST_BYTES:
                    raise ExportError(f"{entry.path}: larger than {MAX_MANIFEST_BYTES} bytes; that is no manifest")
                _write(entry, folder / MANIFEST, budget_bytes)
                break
        else:
            raise ExportError(f"{archive.name}: holds no {MANIFEST}, so it is not a package")
        _unpack_listed(entries_of(archive), read_manifest(folder), folder, budget_bytes)


def _unpack_listed(entries: Iterator[Entry], manifest: Manifest, folder: Path, budget_bytes: int) -> None:
    """Write the files that the manifest lists. All entries are looked at: one that is suspicious spoils the archive."""
    seen = set()
    for entry in entries:
        if _is_of_macos(entry):
            continue
        name = _name_of(entry)
        if name != MANIFEST and name not in manifest.files:
            continue
        if name in seen:
            raise ExportError(f"{entry.path}: the archive holds more than one package, or a file twice")
        seen.add(name)
        if name != MANIFEST:
            budget_bytes -= _write(entry, folder / name, budget_bytes)


def _is_of_macos(entry: Entry) -> bool:
    """Return whether a file describes others to macOS, whose archives are full of them. None is ever unpacked."""
    path = Path(entry.path)
    return path.parts[:1] == ("__MACOSX",) or path.name.startswith("._") or path.name == ".DS_Store"


def _name_of(entry: Entry) -> str:
    """Return the name of a file in the package's folder."""
    path = Path(entry.path)
    # Two parts at most: archives hold the files themselves, or the folder with the files.
    if path.is_absolute() or ".." in path.parts or len(path.parts) > 2 or not is_file_name(path.name):
        raise ExportError(f"{entry.path}: path points outside of the package's folder")
    return path.name


def _write(entry: Entry, destination: Path, budget_bytes: int) -> int:
    """Write one file of an archive and return its size. The stated size may be wrong, so the content is counted."""
    if entry.num_bytes > budget_bytes:
        raise too_large(entry.path, budget_bytes)
    check_room(destination.parent, entry.num_bytes)
    written = 0
    with entry.open() as content, destination.open("wb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > entry.num_bytes:
                raise ExportError(f"{entry.path}: holds more than the {entry.num_bytes} bytes that the archive states")
            file.write(chunk)
    return written


def check_room(folder: Path, num_bytes: int) -> None:
    """Raise ``ExportError`` if so many bytes do not fit on the disk, or leave nearly nothing free."""
    free = shutil.disk_usage(folder).free
    if num_bytes + _RESERVE_BYTES > free:
        raise ExportError(f"{folder}: {num_bytes / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    try:
        yield
    except (ExportError, PackageError):
        raise
    except Exception as error:  # the libraries raise nearly every type for a broken or a hostile file
        raise ExportError(f"{archive.name}: not an archive that can be unpacked: {error}") from error
