"""The folder of packages: packages are added atomically, and removed.

New files are written into a hidden folder on the same file system and renamed into place, so that a worker which looks
at the same time finds a whole package or none.
"""

import hashlib
import re
import shutil
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import URLError

from contracts.model_package.manifest import MANIFEST
from contracts.model_package.package import ModelPackage, PackageError, find_packages, load_package, read_manifest
from onnx_models.command_line.progress import counting_bytes
from onnx_models.errors import ExportError

# For the connection and for each read, not for a whole download.
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 20


@contextmanager
def new_package(output: Path, name: str, *, force: bool) -> Iterator[Path]:
    """Yield an empty hidden folder, which is renamed to ``output / name`` when the block ends without an exception.

    Raises:
        ExportError: a package of that name exists and ``force`` is not set.
    """
    destination = output / name
    if destination.exists() and not force:
        raise ExportError(f"{destination}: exists already; --force replaces it")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=output) as scratch:
        folder = Path(scratch) / "package"  # workers look for manifests one level up only
        folder.mkdir()
        yield folder
        _move_into_place(folder, destination, Path(scratch))


def _move_into_place(folder: Path, destination: Path, scratch: Path) -> None:
    """Rename the folder into place. A package that it replaces is moved into the scratch folder and deleted with it."""
    if destination.exists():
        # A rename can't replace a folder with files. A worker that looks between the two renames keeps its version.
        destination.rename(scratch / "replaced")
    try:
        folder.rename(destination)
    except OSError:
        # A failed replacement must not cost the package that was there.
        if (scratch / "replaced").exists():
            shutil.move(scratch / "replaced", destination)
        raise


def resolve(package: str, folders: list[Path]) -> Path:
    """Return a package's folder by its path, or by its name in the first of the folders that has it.

    Raises:
        ExportError: there is no such package; the message lists the names that exist.
    """
    if (Path(package) / MANIFEST).is_file():
        return Path(package)
    # Reversed, so that the first folder wins.
    found = {name: path for folder in reversed(folders) for name, path in find_packages(folder).items()}
    if package not in found:
        where = ", ".join(map(str, folders))
        raise ExportError(f"no package {package!r} in {where}; there are: {', '.join(sorted(found)) or 'none'}")
    return found[package]


def remove(package: str, folders: list[Path]) -> Path:
    """Delete a package by its name. Workers that serve it keep serving it until they are restarted.

    Raises:
        ExportError: there is no such package.
    """
    folder = resolve(package, folders)
    shutil.rmtree(folder)
    return folder


def add(where: str, output: Path, *, sha256: str | None, force: bool) -> ModelPackage:
    """Add a finished package from a folder, a .tar(.gz, .xz, .bz2) or .zip archive, or the URL of such an archive.

    Only the manifest and the files that it lists are copied, and each must have the checksum that it lists.

    Raises:
        ExportError: nothing is found, it is not a package, or the archive does not have the given ``sha256``.
        PackageError: the package can't be served.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".add-", dir=output) as scratch:
        found = _fetch(where, Path(scratch), sha256)
        manifest = read_manifest(found)
        with new_package(output, manifest.name, force=force) as folder:
            for name in (MANIFEST, *manifest.files):
                _copy(found / name, folder / name)
            # Before the rename: workers must never see a package that they would refuse.
            load_package(folder)
    return load_package(output / manifest.name)


def _copy(path: Path, destination: Path) -> None:
    # A link in a foreign package could point to any file of this machine, which would then be served or packed.
    if destination.parent != destination.resolve().parent or path.is_symlink() or not path.is_file():
        raise PackageError(f"{path}: listed in the manifest, but not a regular file in the package")
    shutil.copyfile(path, destination)


def _fetch(where: str, scratch: Path, sha256: str | None) -> Path:
    """Return the package's folder: the given one, or that of the given archive, downloaded and unpacked."""
    if re.match(r"https?://", where):
        archive = _download(where, scratch / "archive")
    elif Path(where).is_dir():
        if sha256:
            raise ExportError("--sha256 is for archives; the files of a folder are checked against its manifest")
        return Path(where)
    else:
        archive = Path(where)
    if not archive.is_file():
        raise ExportError(f"{where}: neither a folder, an archive nor an http(s) URL")
    if sha256 and _sha256(archive) != sha256.lower():
        raise ExportError(f"{where}: its SHA-256 is {_sha256(archive)}, not the given one")
    _unpack(archive, scratch / "unpacked")
    return scratch / "unpacked"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, path: Path) -> Path:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply, path.open("wb") as file:  # noqa: S310 (http only)
            total = int(reply.headers.get("Content-Length") or 0)
            _check_room(path.parent, total)
            with counting_bytes(f"downloading {url}", total) as count:
                while chunk := reply.read(_CHUNK_BYTES):
                    file.write(chunk)
                    count(len(chunk))
    except (URLError, OSError, ValueError) as error:
        raise ExportError(f"{url}: could not be downloaded: {error}") from error
    # urllib reads a connection that ends too early without an error.
    if total and path.stat().st_size != total:
        raise ExportError(f"{url}: the connection ended after {path.stat().st_size} of {total} bytes; try again")
    return path


def _check_room(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise ExportError(f"{folder}: {num_bytes / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files of an archive, and refuse one that holds links, devices or pipes."""
    folder.mkdir()
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                # Not extractall: every path is checked, and links are never created.
                entries = [entry for entry in packed.infolist() if not entry.is_dir()]
                _check_room(folder, sum(entry.file_size for entry in entries))
                for entry in entries:
                    _write(packed.open(entry), folder, entry.filename, entry.file_size)
        else:
            with tarfile.open(archive) as tar:
                members = [member for member in tar.getmembers() if not member.isdir()]
                _check_room(folder, sum(member.size for member in members))
                for member in members:
                    content = tar.extractfile(member) if member.isreg() else None
                    if content is None:
                        raise ExportError(
                            f"{archive.name}: {member.name} is not a regular file; a package has no others"
                        )
                    _write(content, folder, member.name, member.size)
    # EOFError: a truncated gzip file. RuntimeError: an encrypted zip file.
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise ExportError(f"{archive.name}: not an archive that can be unpacked: {error}") from error


def _write(content: IO[bytes], folder: Path, name: str, num_bytes: int) -> None:
    """Write one file of an archive, at most ``num_bytes`` of it."""
    parts = Path(name).parts
    # Two parts at most: archives hold the files themselves, or the folder with the files.
    if Path(name).is_absolute() or ".." in parts or len([part for part in parts if part != "."]) > 2:
        raise ExportError(f"{name}: path points outside of the package's folder")
    destination = folder / parts[-1]
    if destination.exists():
        raise ExportError(f"{name}: the archive holds more than one package, or a file twice")
    with content, destination.open("wb") as file:
        # The stated size was checked against the free space, and a zip bomb states less than it holds.
        while num_bytes > 0 and (chunk := content.read(min(_CHUNK_BYTES, num_bytes))):
            file.write(chunk)
            num_bytes -= len(chunk)
