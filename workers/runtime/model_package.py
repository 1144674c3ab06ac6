"""A model package: the folder that carries everything a worker needs to serve one model.

    <name>/manifest.toml      what this model is: `workers.runtime.manifest`
    <name>/model.onnx         the graph, or several, under the file names that optimum gives them
    <name>/tokenizer.json     the tokenizer, as the `tokenizers` library writes it; not for pictures

`onnx_models` writes these folders; the path of a job meets them when a worker starts.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from workers.runtime.manifest import MANIFEST, Manifest, missing_tables


class PackageError(Exception):
    """The folder is not a model package that can be served; the message says which file and why."""


class ModelPackage(msgspec.Struct, frozen=True):
    """A checked folder: the manifest, and paths of files whose content is what the manifest says."""

    path: Path
    manifest: Manifest

    def file(self, name: str) -> Path:
        """Return the path of a file that the manifest lists."""
        if name not in self.manifest.files:
            raise PackageError(f"{self.path / MANIFEST}: [files] does not list {name}")
        return self.path / name


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``manifest.toml`` of a folder, without looking at the other files.

    Raises:
        PackageError: missing, not TOML, or not the fields of ``Manifest``.
    """
    path = folder / MANIFEST
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        manifest = msgspec.convert(table, Manifest)
    except FileNotFoundError as error:
        raise PackageError(f"{path}: not found; a model package has a manifest") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise PackageError(f"{path}: {error}") from error
    for name in missing_tables(manifest):
        raise PackageError(f"{path}: task is {manifest.task!r}, so a table [{name}] is needed")
    return manifest


def load_package(folder: Path) -> ModelPackage:
    """Read the manifest and check every listed file's SHA-256.

    A listed file must lie directly in the folder and be a plain file: a link or a path that leads out of the
    folder is refused before anything is read.

    Raises:
        PackageError: see ``read_manifest``; or a file is missing, linked, outside, or not what was listed.
    """
    manifest = read_manifest(folder)
    for name, digest in manifest.files.items():
        path = folder / name
        if Path(name).name != name or path.is_symlink() or not path.is_file():
            raise PackageError(f"{path}: listed in the manifest, but not a plain file in the package")
        if sha256_of(path) != digest:
            raise PackageError(f"{path}: SHA-256 differs from the manifest; the file is not what was exported")
    return ModelPackage(path=folder, manifest=manifest)


def find_packages(folder: Path) -> dict[str, Path]:
    """Return the folders directly under ``folder`` that carry a manifest, by folder name, sorted."""
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{MANIFEST}"))}
