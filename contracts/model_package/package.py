"""A model package: the folder that carries everything a worker needs to serve one model.

    <name>/manifest.toml      what this model is: `contracts.model_package.manifest`
    <name>/model.onnx         the graph, or several, under the file names that optimum gives them
    <name>/tokenizer.json     the tokenizer, as the `tokenizers` library writes it; not for pictures
    <name>/pieces.json        how SentencePiece splits texts, where that library can't

`onnx_models` writes these folders; the path of a job meets them when a worker starts, and when one is replaced. The
folder may be a link, so that a version can be put in place with one rename; nothing in it may be.
"""

import hashlib
import os
import re
import tomllib
from pathlib import Path

import msgspec

from contracts.model_package import onnx_limits
from contracts.model_package.document import manifest_from
from contracts.model_package.files import PackageError, open_plain, sha256_of
from contracts.model_package.manifest import MANIFEST, PIECES, Manifest
from contracts.model_package.onnx_header import read_header
from contracts.model_package.signatures import signatures_of

__all__ = [
    "ModelPackage", "PackageError", "find_packages", "load_named_package", "load_package", "read_manifest", "sha256_of",
]  # fmt: skip
MAX_MANIFEST_BYTES = 1 << 20
# A key of many parts (a.a.a...) costs the parser memory with the square of them: 1 MB of it more than machines have.
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")

Stamp = tuple[tuple[str, int, int, int], ...]
"""Of each file: name, size, time of change (ctime, which copying tools can't set) and number on the disk."""


class ModelPackage(msgspec.Struct, frozen=True):
    """A checked folder: the manifest, and paths of files whose content is what the manifest says."""

    path: Path
    manifest: Manifest
    digest: str = ""
    """SHA-256 of ``manifest.toml``: what tells two versions of a package from each other."""
    stamp: Stamp = ()

    def file(self, name: str) -> Path:
        """Return the path of a file that the manifest lists."""
        if name not in self.manifest.files:
            raise PackageError(f"{self.path / MANIFEST}: [files] does not list {name}")
        return self.path / name

    def check_unchanged(self) -> None:
        """Raise ``PackageError`` if a file was replaced since it was checked: what was loaded may not be what was."""
        if stamp_of(self.path, self.manifest) != self.stamp:
            raise PackageError(f"{self.path}: the package was changed while it was loaded")


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``manifest.toml`` of a folder, without looking at the other files.

    Raises:
        PackageError: missing, not TOML, or not the fields of ``Manifest``.
    """
    return _parse(folder / MANIFEST, _manifest_bytes(folder))


def digest_of(folder: Path) -> str:
    """Return the SHA-256 of a folder's manifest, whether or not it can be served.

    Raises:
        PackageError: the file is missing, or not a plain file of a manifest's size.
    """
    return hashlib.sha256(_manifest_bytes(folder)).hexdigest()


def stamp_of(folder: Path, manifest: Manifest | None = None) -> Stamp:
    """Return what the files of a folder look like from outside: those that a manifest lists, or all of them.

    Two equal stamps mean that nobody has written in between. A file that is not there is left out.
    """
    found = []
    names = [MANIFEST, *manifest.files] if manifest else _names(folder)
    for name in sorted(names):
        try:
            about = os.lstat(folder / name)
        except (OSError, ValueError):  # ValueError: a zero byte in the name
            continue
        found.append((name, about.st_size, about.st_ctime_ns, about.st_ino))
    return tuple(found)


def load_package(folder: Path) -> ModelPackage:
    """Read the manifest, and check every listed file without loading it.

    A listed file must lie directly in the folder, be a plain file, and have its SHA-256. The graphs that the package's
    kind needs must be listed; each must be one that this version of ONNX Runtime reads, with weights in listed files.

    Raises:
        PackageError: see ``read_manifest``; or a file is not as above.
    """
    data = _manifest_bytes(folder)
    manifest = _parse(folder / MANIFEST, data)
    package = ModelPackage(folder, manifest, hashlib.sha256(data).hexdigest(), stamp_of(folder, manifest))
    for name, digest in manifest.files.items():
        _check_file(folder, name, digest, manifest)
    for name in signatures_of(manifest):
        package.file(name)
    if PIECES not in manifest.files and os.path.lexists(folder / PIECES):
        raise PackageError(f"{folder / PIECES}: not listed in the manifest, and would change how texts are cut")
    return package


def load_named_package(folder: Path) -> ModelPackage:
    """Check a package that lies where workers look: its folder must have its name. Raises as ``load_package``."""
    package = load_package(folder)
    if package.manifest.name != folder.name:
        raise PackageError(f"{folder}: the manifest's name is {package.manifest.name!r}, not that of the folder")
    return package


def find_packages(folder: Path) -> dict[str, Path]:
    """Return the folders directly under ``folder`` that carry a manifest, by folder name, sorted."""
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{MANIFEST}"))}


def _check_file(folder: Path, name: str, digest: str, manifest: Manifest) -> None:
    path = folder / name
    if name in {"", ".", ".."} or Path(name).name != name:
        raise PackageError(f"{path}: listed in the manifest, but not a plain file in the package")
    if sha256_of(path) != digest:
        raise PackageError(f"{path}: SHA-256 differs from the manifest; the file is not what was exported")
    if path.suffix == ".onnx":
        fault = onnx_limits.fault_of(read_header(path), manifest.files)
        if fault:
            raise PackageError(f"{path}: this graph can't be served: {fault}")


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST
    if not os.path.lexists(path):
        raise PackageError(f"{path}: not found; a model package has a manifest")
    with open_plain(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_MANIFEST_BYTES:
            raise PackageError(f"{path}: larger than {MAX_MANIFEST_BYTES} bytes; that is no manifest")
        return file.read(MAX_MANIFEST_BYTES + 1)


def _parse(path: Path, data: bytes) -> Manifest:
    try:
        text = data.decode()
        if _LONG_KEY.search(text):
            raise ValueError("a key of more than 64 parts")
        return manifest_from(tomllib.loads(text))
    except RecursionError as error:
        raise PackageError(f"{path}: values inside each other, too deep to be read") from error
    except ValueError as error:
        raise PackageError(f"{path}: {error}") from error


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
