"""Check that a package answers as its reference does, and write down how near it comes.

An fp32 package must give the reference's numbers and write its tokens. A package of lower precision can't: it must
stay near enough (`FLOORS`), and what the precision costs is measured and recorded.
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

DEFAULT_ATOL = 1e-4
FLOORS = {"fp16": 0.999, "int8": 0.98, "int8-dynamic": 0.8, "int4": 0.7}
"""Smallest cosine with the reference that a package may have, unless the user sets another one."""

_SAME_IN_COMPANY = {"fp32": 1e-3, "fp16": 1e-2}
"""Largest change by neighbours that is only another order of a sum; around 10, numbers of fp16 are 0.008 apart."""


def verify(
    package: ModelPackage, source: Source, *, atol: float = DEFAULT_ATOL, min_cosine: float | None = None
) -> Figures:
    """Compare a package with the torch model of ``source``.

    Returns:
        What to write into the manifest's [verified] table: figures, versions and date.

    Raises:
        ParityError: other tokens, or a difference above ``atol`` (fp32); a cosine below ``min_cosine`` (others); or
            numbers that are none.
    """
    comparison = exporter_for_package(package.manifest).compare(package, source)
    judge(comparison, package.manifest, atol=atol, min_cosine=min_cosine)
    return {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), **comparison.figures()}


def judge(comparison: Comparison, manifest: Manifest, *, atol: float, min_cosine: float | None = None) -> None:
    """Raise ParityError if the differences are too large for the package's precision. See ``verify``."""
    if not math.isfinite(comparison.max_abs_diff):
        raise ParityError("ONNX or the reference answers with numbers that are none: NaN or infinity")
    if manifest.precision == "fp32":
        found = comparison.relative_diff
        if found > atol:
            raise ParityError(f"ONNX and the reference differ by {found:.3g}, allowed is {atol:.3g}")
        if comparison.same_tokens < 1.0:
            raise ParityError(f"greedy tokens differ: {comparison.same_tokens:.0%} of them come before the difference")
        return
    floor = FLOORS[manifest.precision] if min_cosine is None else min_cosine
    if comparison.min_cosine < floor:
        raise ParityError(
            f"{manifest.precision} is too far from the reference: smallest cosine {comparison.min_cosine:.4f}, "
            f"allowed is {floor:g} (--min-cosine sets another floor)"
        )


def is_batch_safe(figures: Figures, manifest: Manifest) -> bool:
    """Tell whether a row's answer was the same in any company: to the bit if quantised, nearly so otherwise.

    To the bit, because quantised graphs round what comes in: a difference of 1e-6 before that can be one of 1e-2 after.
    """
    allowed = _SAME_IN_COMPANY.get(manifest.precision, 0.0)
    return manifest.precision != "int8-dynamic" and float(figures["batch_diff"]) <= allowed


def verified(manifest: Manifest, figures: Figures) -> Manifest:
    """Return the manifest with what was measured."""
    return msgspec.structs.replace(manifest, verified=figures, batch_safe=is_batch_safe(figures, manifest))
