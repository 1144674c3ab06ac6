"""Make a model package: graphs, tokenizer and manifest, checked against torch before it appears where workers look.

A package is either whole and verified or not there. Needs the export environment.
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
from onnx_models.verification.verify import verified, verify
from workers.runtime.inference.session import open_graphs

Measure = Callable[[ModelPackage], Figures]
Tell = Callable[[str], None]


def export_package(
    request: ExportRequest,
    *,
    measure: Measure | None = None,
    min_cosine: float | None = None,
    tell: Tell = lambda step: None,
) -> ModelPackage:
    """Export, verify, and move the package into place.

    Args:
        request: what to make.
        measure: called with the verified package; what it returns becomes the manifest's [quality].
        min_cosine: smallest cosine with the reference that a quantised package may have.
        tell: called with each step that begins, for people who watch.

    Raises:
        ExportError: something stands in the way; nothing is left behind.
        ParityError: ONNX and torch differ too much; nothing is left behind.
    """
    with new_package(request.output, request.name, force=request.force) as folder:
        manifest = _filled(folder, request, min_cosine, tell)
        if measure:
            manifest = msgspec.structs.replace(manifest, quality=measure(load_package(folder)))
            write_manifest(folder, manifest)
    return load_package(request.output / request.name)


def _filled(folder: Path, request: ExportRequest, min_cosine: float | None, tell: Tell) -> Manifest:
    """Make the package in ``folder``: fp32 first, so that what a smaller precision costs is known to be its own."""
    tell("exporting")
    manifest = exporter_for(request.source, request.task).make(request, folder)
    manifest = msgspec.structs.replace(manifest, export={**tool_versions(), **manifest.export})
    tell("comparing with the reference")
    manifest = _checked(folder, manifest, request, min_cosine)
    if request.precision != "fp32":
        tell(f"converting to {request.precision}")
        manifest = convert(folder, manifest, request.precision)
        tell("measuring what that costs")
        manifest = _checked(folder, manifest, request, min_cosine)
    return manifest


def _checked(folder: Path, manifest: Manifest, request: ExportRequest, min_cosine: float | None) -> Manifest:
    """Write the manifest, verify the package as a worker would read it, and write what was found."""
    write_manifest(folder, manifest)
    try:
        package = load_package(folder)
        open_graphs(package, device="cpu", threads=1)
    except PackageError as error:  # for example a name that the manifest does not allow
        raise ExportError(str(error)) from error
    figures = verify(package, request.source, atol=request.atol, min_cosine=min_cosine)
    manifest = verified(manifest, figures)
    write_manifest(folder, manifest)
    return manifest
