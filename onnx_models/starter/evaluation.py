"""One way to evaluate every starter: on a held-out set that is made again each time, and on sentences written by hand.

Needs no training library. A test repeats the measurement with the packages of the repository, so the figures in their
manifests stay true.
"""

from collections.abc import Callable, Iterable, Sequence

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.starter.generation import generate
from onnx_models.starter.texts.example import Example

# Decides the held-out sets, and so every figure in the manifests; no weights depend on it.
HELD_OUT_SEED = 7_654_321

Evaluate = Callable[[ModelPackage], Figures]
"""Measures a package; what it returns becomes the table ``[quality]`` of the manifest."""


def share(flags: Iterable[bool]) -> float:
    """Return the share of true flags, as figures in manifests are rounded."""
    counted = list(flags)
    return round(sum(counted) / len(counted), 4)


def exact_match(package: ModelPackage, examples: Sequence[Example]) -> float:
    """Return the share of sources for which the model generates the target, to the last character."""
    outputs = generate(package, [example.source for example in examples])
    return share(output == example.target for output, example in zip(outputs, examples, strict=True))
