"""Tiny random models exported by `onnx_models export`, and the packages of real models."""

from pathlib import Path

import pytest

from tests.parity.builders import Worker
from tests.support.minilm import packages_with_minilm
from tests.support.paths import STARTERS


@pytest.fixture(scope="session")
def starters() -> Worker:
    """The starter models on a worker's engine."""
    return Worker(STARTERS)


@pytest.fixture(scope="session")
def minilm() -> Worker:
    """MiniLM on a worker's engine."""
    return Worker(packages_with_minilm(), models=("minilm",))


@pytest.fixture(scope="session")
def tiny(exported: Path) -> Worker:
    """The tiny random models on a worker's engine."""
    return Worker(exported)
