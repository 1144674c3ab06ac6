"""Export a model package: graphs, tokenizer and manifest, verified against torch before workers can see it.

Needs the export environment.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from contracts.model_package.manifest import Figures, Manifest
from contracts.model_package.package import ModelPackage, PackageError, load_package
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest, exporter_for
from onnx_models.exporting.manifest_writer import tool_versions, write_manifest
from onnx_models.package_store.store import new_package
from onnx_models.quantization.convert import convert
from onnx_models.tokenizers.write import TOKENIZER
from onnx_models.verification.longest_call import longest_call
from onnx_models.verification.verify import verified, verify
from workers.runtime.inference.session import open_graphs
from workers.runtime.tokenizing.probing import check_tokenizer

Measure = Callable[[ModelPackage], Figures]
StepReporter = Callable[[str], None]


def export_package(
    request: ExportRequest,
    *,
    measure: Measure | None = None,
    min_cosine: float | None = None,
    report_step: StepReporter = lambda step: None,
) -> ModelPackage:
    """Export, verify, and move the package into place.

    Args:
        request: source, task and options.
        measure: evaluates the verified package; its figures become the manifest's [quality] table.
        min_cosine: smallest cosine with the reference that a quantised package may have.
        report_step: called with the name of each step that starts.

    Raises:
        ExportError: the source can't be exported; no files are left behind.
        ParityError: the outputs of ONNX and torch differ too much; no files are left behind.
    """
    with new_package(request.output, request.name, force=request.force) as folder:
        manifest = _filled(folder, request, min_cosine, report_step)
        if measure:
            manifest = msgspec.structs.replace(manifest, quality=measure(load_package(folder)))
            write_manifest(folder, manifest)
    # Loaded again, because the paths of the package that was checked ended with the rename.
    return load_package(request.output / request.name)


def _filled(folder: Path, request: ExportRequest, min_cosine: float | None, report_step: StepReporter) -> Manifest:
    """Write the package into ``folder``: in fp32 first, so that the error of the conversion can be measured alone."""
    report_step("exporting")
    manifest = exporter_for(request.source, request.task).make(request, folder)
    manifest = msgspec.structs.replace(manifest, export={**tool_versions(), **manifest.export})
    report_step("comparing with the reference")
    manifest = _checked(folder, manifest, request, min_cosine)
    if request.precision != "fp32":
        report_step(f"converting to {request.precision}")
        manifest = convert(folder, manifest, request.precision)
        report_step("comparing the converted package")
        manifest = _checked(folder, manifest, request, min_cosine)
    return manifest


def _checked(folder: Path, manifest: Manifest, request: ExportRequest, min_cosine: float | None) -> Manifest:
    """Write the manifest, verify the package as a worker loads it, and write the figures into the manifest."""
    write_manifest(folder, manifest)
    try:
        package = load_package(folder)
        # A worker opens the graphs in the same way, and checks their tensors by the manifest's kind of graph.
        sessions = open_graphs(package, device="cpu", threads=1)
        manifest = msgspec.structs.replace(manifest, export={**manifest.export, **longest_call(manifest, sessions)})
        del sessions  # they would double the memory that the comparison needs
        if TOKENIZER in manifest.files:
            check_tokenizer(package.file(TOKENIZER))
    except PackageError as error:  # for example a name that the manifest does not allow
        raise ExportError(str(error)) from error
    figures = verify(package, request.source, atol=request.atol, min_cosine=min_cosine)
    manifest = verified(manifest, figures)
    write_manifest(folder, manifest)
    return manifest
