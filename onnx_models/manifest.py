"""Write ``manifest.toml``, the page that tells a worker what a package is; the worker's schema is the only schema."""

from importlib import metadata
from pathlib import Path

import msgspec

from workers.runtime.manifest import MANIFEST, Manifest
from workers.runtime.model_package import sha256_of

_HEAD = "# Written by `python -m onnx_models export`; workers/runtime/manifest.py says what each field means.\n"
_TOOLS = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime", "tokenizers")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, leaving out what equals its default.

    One that is there is replaced in one step: a worker that looks meanwhile reads the old one or the new one.
    """
    import tomli_w

    text = tomli_w.dumps(msgspec.to_builtins(manifest))
    beside = folder / f".{MANIFEST}"
    beside.write_text(_HEAD + text, encoding="utf-8")
    beside.rename(folder / MANIFEST)


def checksums(folder: Path) -> dict[str, str]:
    """Return a manifest's [files]: every file of the folder but the manifest, with its SHA-256."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}


def tool_versions() -> dict[str, str]:
    """Return the versions of the libraries that shape a graph, for the manifest's [export] table."""
    return {name: metadata.version(name) for name in _TOOLS}
