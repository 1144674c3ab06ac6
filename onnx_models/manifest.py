"""Write ``manifest.toml``, the page that tells a worker what a package is; the worker's schema is the only schema."""

from importlib import metadata
from pathlib import Path

import msgspec

from workers.runtime.model_package import MANIFEST, Manifest

_HEAD = "# Written by `python -m onnx_models export`; workers/runtime/model_package.py says what each field means.\n"
_TOOLS = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime", "tokenizers")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a package folder, leaving out what equals its default."""
    import tomli_w

    text = tomli_w.dumps(msgspec.to_builtins(manifest))
    (folder / MANIFEST).write_text(_HEAD + text, encoding="utf-8")


def tool_versions() -> dict[str, str]:
    """Return the versions of the libraries that shape a graph, for the manifest's [export] table."""
    return {name: metadata.version(name) for name in _TOOLS}
