"""Make a model package: graph, tokenizer and manifest, checked against torch before it appears where workers look.

Everything happens in a hidden folder beside the destination and is moved into place in one step at the end, so a
package is either whole and verified or not there. Needs the export environment.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from onnx_models import facts, graph
from onnx_models.errors import ExportError
from onnx_models.manifest import tool_versions, write_manifest
from onnx_models.served import ServedModel
from onnx_models.source import Source
from onnx_models.verify import DEFAULT_ATOL, verify
from workers.runtime.model_package import (
    Limits,
    Manifest,
    ModelPackage,
    PackageError,
    Pooling,
    load_package,
    read_manifest,
    sha256_of,
)

Quality = dict[str, str | float | int]


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to make; a field left at None is read from the source."""

    source: Source
    name: str
    task: Literal["embed", "classify"]
    output: Path
    """The folder that packages lie in; the package becomes ``output / name``."""
    pooling: Pooling | None = None
    normalize: bool | None = None
    max_tokens: int | None = None
    licence: str | None = None
    description: str = ""
    atol: float = DEFAULT_ATOL
    force: bool = False


def export_package(request: ExportRequest, measure: Callable[[ServedModel], Quality] | None = None) -> ModelPackage:
    """Export, verify, and move the package into place.

    Args:
        request: what to make.
        measure: called with the verified model; what it returns becomes the manifest's [quality].

    Raises:
        ExportError: something stands in the way; nothing is left behind.
        ParityError: ONNX and torch differ by more than ``request.atol``; nothing is left behind.
    """
    destination = request.output / request.name
    if destination.exists() and not request.force:
        raise ExportError(f"{destination}: exists already; --force replaces it")
    request.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=request.output) as scratch:
        folder = Path(scratch) / "package"  # one level down, where no worker looks for a manifest
        folder.mkdir()
        _fill(folder, request, measure)
        _move(folder, destination, Path(scratch))
    return load_package(destination)


def _fill(folder: Path, request: ExportRequest, measure: Callable[[ServedModel], Quality] | None) -> None:
    manifest = _describe(folder, request)
    write_manifest(folder, manifest)
    try:
        package = load_package(folder)
    except PackageError as error:  # for example a name that the manifest does not allow
        raise ExportError(str(error)) from error
    parity = verify(package, request.source, request.atol)
    exported = {**tool_versions(), "atol": request.atol, **parity.as_table()}
    prompt = facts.default_prompt(request.source)
    if prompt:
        exported["default_prompt"] = prompt
    quality = measure(ServedModel(package)) if measure else {}
    write_manifest(folder, msgspec.structs.replace(manifest, export=exported, quality=quality))
    read_manifest(folder)


def _describe(folder: Path, request: ExportRequest) -> Manifest:
    source, config = request.source, graph.read_config(request.source)
    limit = facts.max_tokens(source, config, request.max_tokens)
    classify = facts.classify_facts(config) if request.task == "classify" else None
    files = graph.export_graph(source, request.task, folder)
    width = graph.output_width(folder, request.task)
    embed = None if classify else facts.embed_facts(source, width, request.pooling, request.normalize)
    _check_lower_case(source, folder)
    return Manifest(
        name=request.name,
        family="encoder",
        task=request.task,
        source=source.name,
        revision=source.revision,
        licence=request.licence or source.licence,
        description=request.description,
        files={name: sha256_of(folder / name) for name in files},
        limits=Limits(max_tokens=limit),
        embed=embed,
        classify=classify,
    )


def _check_lower_case(source: Source, folder: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if facts.lowers_case(source) and tokenizer.encode("ABC").ids != tokenizer.encode("abc").ids:
        raise ExportError("sentence_bert_config.json lower-cases texts before its tokenizer; a package can't do that")


def _move(folder: Path, destination: Path, scratch: Path) -> None:
    """Put the folder in place; one that is replaced is moved aside first and goes with the scratch folder."""
    if destination.exists():
        destination.rename(scratch / "replaced")
    try:
        folder.rename(destination)
    except OSError:
        if (scratch / "replaced").exists():
            shutil.move(scratch / "replaced", destination)
        raise
