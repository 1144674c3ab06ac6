"""Reads the regular files of zip and tar archives in order, without trusting what an archive says about itself."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast

from onnx_models.errors import ExportError

MAX_RATIO = 32
"""Bytes that may be unpacked for each byte of the archive; of vocabularies, which are text, it is about 6."""
MIN_BUDGET_BYTES = 64 << 20
"""What may be unpacked from any archive, however small: a package of a few zeros is not an attack."""
MAX_ENTRIES = 1000
_MAX_HEADER_BYTES = 64 << 10
"""The longest name, or list of attributes, of a file in a tar archive. They are read into memory."""
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


def budget_of(archive: Path) -> int:
    """Return how many bytes an archive may unpack to."""
    return max(MIN_BUDGET_BYTES, MAX_RATIO * archive.stat().st_size)


def entries_of(archive: Path) -> Iterator[Entry]:
    """Yield the files of an archive; each can be opened until the next one is asked for.

    Raises:
        ExportError: there are too many, one is not a regular file, or more than the budget would be unpacked.
    """
    return _zip_entries(archive) if zipfile.is_zipfile(archive) else _tar_entries(archive, budget_of(archive))


def too_large(what: str, budget_bytes: int) -> ExportError:
    """Return the error of an archive, or of a file in it, that exceeds the budget."""
    return ExportError(
        f"{what}: unpacks to more than {budget_bytes / 1e6:.0f} MB, which is too much for an archive of this size "
        f"({MAX_RATIO} times its size at most); if you trust it, unpack it yourself and add the folder"
    )


def _zip_entries(archive: Path) -> Iterator[Entry]:
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
            raise too_large(self._archive.name, self._budget_bytes)
        return data


@contextmanager
def _decompressed(archive: Path, budget_bytes: int) -> Iterator[IO[bytes]]:
    with archive.open("rb") as file:
        start = file.read(6)
    opener = next(opener for magic, opener in _OPENERS if start.startswith(magic))
    with opener(archive) as file:
        yield cast(IO[bytes], _Counted(file, archive, budget_bytes))
