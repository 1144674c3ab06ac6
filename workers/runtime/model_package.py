"""A model package: the folder that carries everything a worker needs to serve one model.

    <name>/manifest.toml      what this model is: read and checked here
    <name>/model.onnx         the graph, under the file name that optimum gives it
    <name>/tokenizer.json     the tokenizer, as the `tokenizers` library writes it

The manifest is the only place where a model's facts live: a worker never guesses from a config of a training
library. Unknown fields are refused, so a typo can't silently change how a model is served. `onnx_models` writes
these folders; the path of a job meets them when a worker starts.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

MANIFEST = "manifest.toml"
Pooling = Literal["mean", "cls", "last_token"]
PositiveInt = Annotated[int, msgspec.Meta(ge=1)]


class PackageError(Exception):
    """The folder is not a model package that can be served; the message says which file and why."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Limits(_Table, frozen=True, kw_only=True):
    """What one input may weigh. ``max_tokens`` counts special tokens too."""

    max_tokens: PositiveInt


class Batching(_Table, frozen=True, kw_only=True):
    """How rows are put together on CPU; measured per model, see docs/architecture."""

    max_batch_tokens: PositiveInt = 512
    """Padded tokens in one model call: rows x longest row."""
    max_padding: Annotated[float, msgspec.Meta(ge=1.0, le=2.0)] = 1.1
    """Padded tokens per real token that a batch may have."""


class Embed(_Table, frozen=True, kw_only=True):
    """How token vectors become one vector."""

    pooling: Pooling
    normalize: bool = True
    dimensions: PositiveInt


class Classify(_Table, frozen=True, kw_only=True):
    """Labels in the order of the logits, and what turns logits into scores by default."""

    labels: Annotated[list[str], msgspec.Meta(min_length=1)]
    function_to_apply: Literal["softmax", "sigmoid", "none"] = "softmax"


class Manifest(_Table, frozen=True, kw_only=True):
    """Everything in ``manifest.toml``."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    family: Literal["encoder"]
    task: Literal["embed", "classify"]
    source: str
    """Where the weights come from: a hub id, a package and version, or the script that trained them."""
    revision: str
    licence: str
    description: str = ""
    files: dict[str, str]
    """File name to its SHA-256 as 64 hex digits."""
    limits: Limits
    batching: Batching = Batching()
    embed: Embed | None = None
    classify: Classify | None = None
    quality: dict[str, str | float | int] = {}
    """What was measured on data held out from training, and how."""
    export: dict[str, str | float | int] = {}
    """Versions of the export tools, and the parity that `verify` measured."""


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
    if getattr(manifest, manifest.task) is None:
        raise PackageError(f"{path}: task is {manifest.task!r}, so a table [{manifest.task}] is needed")
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
