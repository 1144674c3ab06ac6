"""Unpacks the archive of a package that somebody else made: the manifest, and what it lists, and nothing more.

Whatever an archive states about itself may be wrong. So all that is unpacked is counted, and an archive that unpacks to
far more than its own size is refused: weights hardly shrink when they are packed.
"""

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast

from contracts.model_package.files import PackageError, is_file_name
from contracts.model_package.manifest import MANIFEST, Manifest
from contracts.model_package.manifest_file import MAX_MANIFEST_BYTES, read_manifest
from onnx_models.errors import ExportError

MAX_RATIO = 32
"""Bytes that may be unpacked for each byte of the archive; of vocabularies, which are text, it is about 6."""
MIN_BUDGET_BYTES = 64 << 20
"""What may be unpacked from any archive, however small: a package of a few zeros is not an attack."""
MAX_ENTRIES = 1000
_MAX_HEADER_BYTES = 64 << 10
"""The longest name, or list of attributes, of a file in a tar archive. They are read into memory."""
_RESERVE_BYTES = 256 << 20
"""What stays free on the disk: others write to it, too."""
_CHUNK_BYTES = 1 << 20
_OPENERS: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"", partial(open, mode="rb")),
)
"""How to read tar archives that begin with these bytes."""


class Entry(NamedTuple):
    """A regular file in an archive."""

    path: str
    num_bytes: int
    """As the archive states it."""
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path) -> None:
    """Write a package's manifest, and the files that it lists, into a new folder.

    Raises:
        ExportError: it is no archive, has no manifest, unpacks to too much, or holds links, devices, pipes or paths
            that lead out of the folder.
        PackageError: the manifest is not valid.
    """
    folder.mkdir()
    entries = _zip_entries if zipfile.is_zipfile(archive) else _tar_entries
    budget_bytes = max(MIN_BUDGET_BYTES, MAX_RATIO * archive.stat().st_size)
    with _refusing(archive):
        # Two passes: the manifest may be the last file of the archive.
        for entry in entries(archive, budget_bytes):
            if _name_of(entry) == MANIFEST:
                if entry.num_bytes > MAX_MANIFEST_BYTES:
                    raise ExportError(f"{entry.path}: larger than {MAX_MANIFEST_BYTES} bytes; that is no manifest")
                _write(entry, folder / MANIFEST, budget_bytes)
                break
        else:
            raise ExportError(f"{archive.name}: holds no {MANIFEST}, so it is not a package")
        _unpack_listed(entries(archive, budget_bytes), read_manifest(folder), folder, budget_bytes)


def _unpack_listed(entries: Iterator[Entry], manifest: Manifest, folder: Path, budget_bytes: int) -> None:
    """Write the files that the manifest lists. All entries are looked at: one that is suspicious spoils the archive."""
    seen = set()
    for entry in entries:
        name = _name_of(entry)
        if name != MANIFEST and name not in manifest.files:
            continue
        if name in seen:
            raise ExportError(f"{entry.path}: the archive holds more than one package, or a file twice")
        seen.add(name)
        if name != MANIFEST:
            budget_bytes -= _write(entry, folder / name, budget_bytes)


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
        raise _too_large(entry.path, budget_bytes)
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


def _too_large(what: str, budget_bytes: int) -> ExportError:
    return ExportError(
        f"{what}: unpacks to more than {budget_bytes / 1e6:.0f} MB, which is too much for an archive of this size "
        f"({MAX_RATIO} times its size at most); if you trust it, unpack it yourself and add the folder"
    )


def _zip_entries(archive: Path, _: int) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as packed:
        _check_number(len(packed.infolist()))
        for entry in packed.infolist():
            # Others unpack a few bytes to any number at once.
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ExportError(f"{entry.filename}: packed in an unusual way; make the zip with deflate")
            if not entry.is_dir():
                yield Entry(entry.filename, entry.file_size, partial(packed.open, entry))


def _tar_entries(archive: Path, budget_bytes: int) -> Iterator[Entry]:
    # "r|": read once, from the beginning to the end, as the budget demands.
    with (
        _decompressed(archive, budget_bytes) as content,
        tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK_BYTES, tarinfo=_Member) as tar,
    ):
        for number, member in enumerate(tar, 1):
            _check_number(number)
            if not member.isdir():
                _check_member(member, archive)
                yield Entry(member.name, member.size, partial(_content, tar, member))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101 (it is for folders and the like only, which are refused)
    return content


def _check_number(num_entries: int) -> None:
    if num_entries > MAX_ENTRIES:
        raise ExportError(f"the archive holds more than {MAX_ENTRIES} files, so it is not that of a package")


def _check_member(member: tarfile.TarInfo, archive: Path) -> None:
    # A sparse file is a few bytes in the archive, and of any size outside of it.
    if not member.isreg() or member.issparse():
        raise ExportError(f"{archive.name}: {member.name} is not a regular file; a package has no others")
    if hasattr(tarfile, "data_filter"):  # Python 3.11.4 and newer
        try:
            tarfile.data_filter(member, str(archive.parent))
        except tarfile.FilterError as error:
            raise ExportError(f"{member.name}: path points outside of the package's folder: {error}") from error


class _Member(tarfile.TarInfo):
    """A file in a tar archive, whose name and attributes are of bounded size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header, and refuse one after which more would be read into memory than names need."""
        member = super().frombuf(buf, encoding, errors)
        if not member.isreg() and not member.isdir() and member.size > _MAX_HEADER_BYTES:
            raise ExportError(f"a header of {member.size} bytes; this is not the archive of a package")
        return member


class _Counted(io.RawIOBase):
    """A file of which no more than a budget can be read."""

    def __init__(self, file: IO[bytes], archive: Path, budget_bytes: int) -> None:
        self._file = file
        self._archive = archive
        self._left = self._budget_bytes = budget_bytes

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; raise ``ExportError`` beyond the budget."""
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._archive.name, self._budget_bytes)
        return data


@contextmanager
def _decompressed(archive: Path, budget_bytes: int) -> Iterator[IO[bytes]]:
    with archive.open("rb") as file:
        start = file.read(6)
    opener = next(opener for magic, opener in _OPENERS if start.startswith(magic))
    with opener(archive) as file:
        yield cast(IO[bytes], _Counted(file, archive, budget_bytes))


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    try:
        yield
    except (ExportError, PackageError):
        raise
    except Exception as error:  # the libraries raise nearly every type for a broken or a hostile file
        raise ExportError(f"{archive.name}: not an archive that can be unpacked: {error}") from error
