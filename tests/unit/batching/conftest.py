"""An engine and a model for each test."""

from collections.abc import Iterator

import pytest

from tests.unit.batching.echo import Echo
from workers.runtime.batching.engine import BatchingEngine


@pytest.fixture
def engine() -> BatchingEngine:
    return BatchingEngine()


@pytest.fixture
def echo() -> Iterator[Echo]:
    model = Echo()
    yield model
    model.gate.set()
