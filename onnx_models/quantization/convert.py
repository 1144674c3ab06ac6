"""Convert a package's fp32 graphs to a smaller precision, in place."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from contracts.model_package.manifest import MANIFEST, Manifest, Precision
from onnx_models.errors import ExportError
from onnx_models.exporting.manifest_writer import checksums
from onnx_models.quantization.dynamic import quantize_dynamic
from onnx_models.quantization.half import halve
from onnx_models.quantization.weights import quantize_weights

_REWRITES: dict[Precision, Callable[[Path], int | None]] = {
    "int8": partial(quantize_weights, bits=8),
    "int4": partial(quantize_weights, bits=4),
    "int8-dynamic": quantize_dynamic,
    "fp16": halve,
}
"""Functions that rewrite a graph file; some return the number of operators that they changed."""


def convert(folder: Path, manifest: Manifest, precision: Precision) -> Manifest:
    """Rewrite every graph in ``folder`` and return the manifest that describes them.

    The [export] table gets the new size of the package, and its ratio to that of fp32.

    Raises:
        ExportError: a graph can't be converted to this precision, or no graph has an operator to convert.
    """
    before = _num_bytes(folder)
    changes = [_REWRITES[precision](file) for file in sorted(folder.glob("*.onnx"))]
    # Graphs without a large matrix are fine among others, but not a package whose weights would all stay the same.
    if not any(change is None or change > 0 for change in changes):
        raise ExportError(f"{manifest.name}: its graphs have no matrices that {precision} could make smaller")
    after = _num_bytes(folder)
    sizes = {"size_bytes": after, "size_ratio": round(after / before, 4)}
    # With new checksums: a worker refuses files that differ from those in [files].
    return msgspec.structs.replace(
        manifest, precision=precision, files=checksums(folder), export={**manifest.export, **sizes}
    )


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != MANIFEST)
