"""A model package: the folder that holds everything a worker needs to serve one model.

    <name>/manifest.toml      what the model is: `contracts.model_package.manifest`
    <name>/model.onnx         the graph, or several, under the file names that optimum gives them
    <name>/tokenizer.json     the tokenizer, as the `tokenizers` library writes it; not for pictures
    <name>/pieces.json        how SentencePiece splits texts, where that library can't

`onnx_models` writes these folders. A worker reads them when it starts, and when a package is replaced. The folder may
be a link, so that one rename puts a version in place; the files in it may not.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from contracts.model_package import onnx_limits
from contracts.model_package.files import PackageError, is_file_name, sha256_of
from contracts.model_package.manifest import MANIFEST, PIECES, Manifest
from contracts.model_package.manifest_file import parse_manifest, read_manifest, read_manifest_bytes
from contracts.model_package.onnx_header import read_header
from contracts.model_package.signatures import signatures_of
from contracts.model_package.versions import Snapshot, snapshot_of

__all__ = ["ModelPackage", "PackageError", "find_packages", "load_named_package", "load_package", "read_manifest"]


class ModelPackage(msgspec.Struct, frozen=True):
    """A checked folder: the manifest, and files whose content matches the manifest."""

    path: Path
    manifest: Manifest
    digest: str = ""
    """SHA-256 of ``manifest.toml``, which identifies the version of the package."""
    snapshot: Snapshot = ()

    def file(self, name: str) -> Path:
        """Return the path of a file that the manifest lists."""
        if name not in self.manifest.files:
            raise PackageError(f"{self.path / MANIFEST}: [files] does not list {name}")
        return self.path / name

    def check_unchanged(self) -> None:
        """Check that no file was replaced since the package was checked.

        Call it after the files are loaded: what was loaded may otherwise not be what was checked.

        Raises:
            PackageError: a file was replaced.
        """
        if snapshot_of(self.path, self.manifest) != self.snapshot:
            raise PackageError(f"{self.path}: the package was changed while it was loaded")


def load_package(folder: Path) -> ModelPackage:
    """Read the manifest, and check every listed file without loading it.

    A listed file must be a regular file directly in the folder, and have its SHA-256. The graphs that the kind needs
    must be listed. Each graph must be one that this version of ONNX Runtime reads, with weights in listed files only.

    Raises:
        PackageError: the manifest is missing or not valid, or a file fails a check.
    """
    # Read once, so that the digest is that of the very bytes that are parsed.
    data = read_manifest_bytes(folder)
    manifest = parse_manifest(folder, data)
    # The snapshot is taken before the files are read, so that a change during the checks is noticed, too.
    package = ModelPackage(folder, manifest, hashlib.sha256(data).hexdigest(), snapshot_of(folder, manifest))
    for name, digest in manifest.files.items():
        _check_file(folder, name, digest, manifest)
    for name in signatures_of(manifest):
        package.file(name)
    if PIECES not in manifest.files and os.path.lexists(folder / PIECES):
        raise PackageError(f"{folder / PIECES}: not listed in the manifest, and would change how texts are split")
    return package


def load_named_package(folder: Path) -> ModelPackage:
    """Check a package where workers look for it: its name must be that of the folder. Raises like ``load_package``."""
    package = load_package(folder)
    if package.manifest.name != folder.name:
        raise PackageError(f"{folder}: the manifest's name is {package.manifest.name!r}, not that of the folder")
    return package


def find_packages(folder: Path) -> dict[str, Path]:
    """Return the folders directly under ``folder`` that hold a manifest, by folder name, sorted."""
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{MANIFEST}"))}


def _check_file(folder: Path, name: str, digest: str, manifest: Manifest) -> None:
    path = folder / name
    # Checked before anything is opened: a name with a folder in it could lead out of the package.
    if not is_file_name(name):
        raise PackageError(f"{path}: listed in the manifest, but not a regular file in the package")
    if sha256_of(path) != digest:
        raise PackageError(f"{path}: SHA-256 differs from the manifest; the file is not what was exported")
    if path.suffix == ".onnx":
        problem = onnx_limits.find_problem(read_header(path), manifest.files)
        if problem:
            raise PackageError(f"{path}: this graph can't be served: {problem}")
