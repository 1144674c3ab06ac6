"""Build and write ``manifest.toml``. Its schema is the one that workers read: `contracts.model_package.manifest`."""

from importlib import metadata
from pathlib import Path
from typing import Any

from contracts.model_package.document import document_of
from contracts.model_package.files import sha256_of
from contracts.model_package.graphs import Graph
from contracts.model_package.manifest import MANIFEST, Batching, Limits, Manifest
from contracts.model_package.tasks import Task
from onnx_models.exporting.exporters import ExportRequest, family_of

_HEAD = "# Written by `python -m onnx_models export`; contracts/model_package/manifest.py says what each field means.\n"
_TOOLS = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime", "tokenizers")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest without the fields that equal their default.

    An existing one is replaced atomically: a worker that reads it at the same time gets the old or the new one.
    """
    import tomli_w

    text = tomli_w.dumps(document_of(manifest))
    # In the same folder, because a rename is atomic within one file system only.
    new_file = folder / f".{MANIFEST}"
    new_file.write_text(_HEAD + text, encoding="utf-8")
    new_file.rename(folder / MANIFEST)


def manifest_of(
    request: ExportRequest,
    folder: Path,
    *,
    graph: Graph,
    task: Task,
    architecture: str,
    limits: Limits,
    batching: Batching | None = None,
    **others: Any,
) -> Manifest:
    """Return the manifest of the graphs and the tokenizer in ``folder``; ``others`` are further fields of it.

    Without ``batching``, the token budget of a batch is the default, or the longest input if that is more.
    """
    return Manifest(
        name=request.name,
        family=family_of(task.name, graph.kind),
        task=task,
        graph=graph,
        architecture=architecture,
        source=request.source.name,
        revision=request.source.revision,
        licence=request.licence or request.source.licence,
        description=request.description,
        languages=list(request.languages),
        files=checksums(folder),
        limits=limits,
        # Workers refuse a budget that the longest input does not fit into.
        batching=batching or Batching(max_batch_tokens=max(Batching().max_batch_tokens, limits.max_tokens)),
        **others,
    )


def checksums(folder: Path) -> dict[str, str]:
    """Return the [files] table: the SHA-256 of every file in the folder except for the manifest."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}


def tool_versions() -> dict[str, str]:
    """Return the versions of the libraries that influence a graph, for the [export] table."""
    return {name: metadata.version(name) for name in _TOOLS}
