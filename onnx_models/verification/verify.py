"""Compare a package with its reference and judge the differences.

An fp32 package must return the reference's numbers and generate its tokens. For lower precisions the cosine with the
reference must stay above a floor (`FLOORS`), and the differences are recorded in the manifest.
"""

import datetime
import math

import msgspec

from contracts.model_package.manifest import Figures, Manifest
from contracts.model_package.package import ModelPackage
from onnx_models.errors import ParityError
from onnx_models.exporting.exporters import exporter_for_package
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison

# float32 in another order of summation: architectures with large weights were measured to differ by up to 8e-5.
DEFAULT_ATOL = 1e-4
# The real MiniLM has 1.000, 0.998, 0.870 and 0.882 (docs/decisions/0013); models that suffer more need room below.
FLOORS = {"fp16": 0.999, "int8": 0.98, "int8-dynamic": 0.8, "int4": 0.7}
"""Smallest cosine with the reference to accept, unless the user sets another floor."""

_MAX_BATCH_DIFF = {"fp32": 1e-3, "fp16": 1e-2}
"""Largest difference between a row alone and in a batch that another order of summation explains: around 10, adjacent
fp16 numbers are 0.008 apart."""


def verify(
    package: ModelPackage, source: Source, *, atol: float = DEFAULT_ATOL, min_cosine: float | None = None
) -> Figures:
    """Compare a package with the torch model of ``source``.

    Returns:
        The manifest's [verified] table: figures and date.

    Raises:
        ParityError: fp32: different tokens, or a difference above ``atol``; other precisions: a cosine below
            ``min_cosine``; any: NaN or infinity.
    """
    comparison = exporter_for_package(package.manifest).compare(package, source)
    judge(comparison, package.manifest, atol=atol, min_cosine=min_cosine)
    return {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), **comparison.figures()}


def judge(comparison: Comparison, manifest: Manifest, *, atol: float, min_cosine: float | None = None) -> None:
    """Raise ParityError if the differences are too large for the package's precision."""
    if not math.isfinite(comparison.max_abs_diff):
        raise ParityError("the outputs of ONNX or of the reference contain NaN or infinity")
    if manifest.precision == "fp32":
        found = comparison.relative_diff
        if found > atol:
            raise ParityError(f"ONNX and the reference differ by {found:.3g}; the limit is {atol:.3g}")
        if comparison.same_tokens < 1.0:
            raise ParityError(f"greedily decoded tokens differ: only the first {comparison.same_tokens:.0%} are equal")
        return
    floor = FLOORS[manifest.precision] if min_cosine is None else min_cosine
    if comparison.min_cosine < floor:
        raise ParityError(
            f"{manifest.precision} differs too much from the reference: smallest cosine {comparison.min_cosine:.4f}, "
            f"the limit is {floor:g} (--min-cosine sets another one)"
        )


def is_batch_safe(figures: Figures, manifest: Manifest) -> bool:
    """Return whether a row's output was independent of its batch: bit-equal if quantised, nearly equal otherwise.

    Quantised graphs round their activations, which can turn a difference of 1e-6 into one of 1e-2, so only bit-equal
    outputs count for them.
    """
    allowed = _MAX_BATCH_DIFF.get(manifest.precision, 0.0)
    # int8-dynamic has one scale for a whole batch, also where these inputs happened to show no difference.
    return manifest.precision != "int8-dynamic" and float(figures["batch_diff"]) <= allowed


def verified(manifest: Manifest, figures: Figures) -> Manifest:
    """Return the manifest with the figures, and with what they say about batching."""
    return msgspec.structs.replace(manifest, verified=figures, batch_safe=is_batch_safe(figures, manifest))
