"""The folder of packages: packages are added atomically, and removed.

New files are written into a hidden folder on the same file system and renamed into place, so that a worker which looks
at the same time finds a whole package or none.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.model_package.files import is_file_name, open_regular
from contracts.model_package.manifest import MANIFEST
from contracts.model_package.package import ModelPackage, PackageError, find_packages, load_package, read_manifest
from onnx_models.errors import ExportError
from onnx_models.package_store.archives import unpack
from onnx_models.package_store.download import download


@contextmanager
def new_package(output: Path, name: str, *, force: bool) -> Iterator[Path]:
    """Yield an empty hidden folder, which is renamed to ``output / name`` when the block ends without an exception.

    Raises:
        ExportError: a package of that name exists and ``force`` is not set.
    """
    destination = output / name
    # A link counts, whether or not it leads somewhere: a folder can't be renamed to its name.
    if os.path.lexists(destination) and not force:
        raise ExportError(f"{destination}: exists already; --force replaces it")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=output) as scratch:
        folder = Path(scratch) / "package"  # workers look for manifests one level up only
        folder.mkdir()
        yield folder
        _move_into_place(folder, destination, Path(scratch))


def _move_into_place(folder: Path, destination: Path, scratch: Path) -> None:
    """Rename the folder into place. A package that it replaces is moved into the scratch folder and deleted with it."""
    replaced = scratch / "replaced"
    if os.path.lexists(destination):
        # A rename can't replace a folder with files. A worker that looks between the two renames keeps its version.
        destination.rename(replaced)
    try:
        folder.rename(destination)
    except OSError:
        # A failed replacement must not cost the package that was there.
        if os.path.lexists(replaced):
            replaced.rename(destination)
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

    Of a package that is a link only the link is deleted.

    Raises:
        ExportError: there is no such package.
    """
    folder = resolve(package, folders)
    if folder.is_symlink():
        folder.unlink()
    else:
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
                _copy(found, name, folder)
            # Before the rename: workers must never see a package that they would refuse.
            load_package(folder)
    return load_package(output / manifest.name)


def _copy(found: Path, name: str, folder: Path) -> None:
    if not is_file_name(name):
        raise PackageError(f"{found / name}: listed in the manifest, but not a regular file in the package")
    # A link in a foreign package could point to any file of this machine, which would then be served or packed.
    with open_regular(found / name) as source, (folder / name).open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _fetch(where: str, scratch: Path, sha256: str | None) -> Path:
    """Return the package's folder: the given one, or that of the given archive, downloaded and unpacked."""
    if re.match(r"https?://", where):
        archive = scratch / "archive"
        download(where, archive)
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
    unpack(archive, scratch / "unpacked")
    return scratch / "unpacked"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
