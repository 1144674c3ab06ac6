"""The starter packages of the repository, which run on what a worker has: onnxruntime, tokenizers, numpy."""

from pathlib import Path

from contracts.model_package.package import ModelPackage, load_package
from tests.support.paths import ROOT

PACKAGES: Path = ROOT / "onnx_models" / "packages"


def starter_package(task: str) -> ModelPackage:
    """Return the starter of a task."""
    return load_package(PACKAGES / f"starter-{task}")
