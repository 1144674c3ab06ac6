"""Build and write ``manifest.toml``. Its schema is the one that workers read: `contracts.model_package.manifest`."""

from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from contracts.model_package.manifest import MANIFEST, Batching, GraphKind, Limits, Manifest
from contracts.model_package.package import sha256_of
from onnx_models.exporting.exporters import ExportRequest, family_of

_HEAD = "# Written by `python -m onnx_models export`; contracts/model_package/manifest.py says what each field means.\n"
_TOOLS = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime", "tokenizers")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest without the fields that equal their default.

    An existing one is replaced atomically: a worker that reads it at the same time gets the old or the new one.
    """
    import tomli_w

    text = tomli_w.dumps(msgspec.to_builtins(manifest))
    beside = folder / f".{MANIFEST}"
    beside.write_text(_HEAD + text, encoding="utf-8")
    beside.rename(folder / MANIFEST)


def manifest_of(
    request: ExportRequest,
    folder: Path,
    *,
    graph: GraphKind,
    architecture: str,
    limits: Limits,
    batching: Batching | None = None,
    **tables: Any,
) -> Manifest:
    """Return the manifest of the graphs and the tokenizer in ``folder``; ``tables`` depend on the kind of graph.

    Without ``batching``, the token budget of a batch is the default, or the longest input if that is more.
    """
    return Manifest(
        name=request.name,
        family=family_of(request.task, graph),
        task=request.task,
        graph=graph,
        architecture=architecture,
        source=request.source.name,
        revision=request.source.revision,
        licence=request.licence or request.source.licence,
        description=request.description,
        languages=list(request.languages),
        files=checksums(folder),
        limits=limits,
        batching=batching or Batching(max_batch_tokens=max(Batching().max_batch_tokens, limits.max_tokens)),
        **tables,
    )


def checksums(folder: Path) -> dict[str, str]:
    """Return the [files] table: the SHA-256 of every file in the folder except for the manifest."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}


def tool_versions() -> dict[str, str]:
    """Return the versions of the libraries that influence a graph, for the [export] table."""
    return {name: metadata.version(name) for name in _TOOLS}
