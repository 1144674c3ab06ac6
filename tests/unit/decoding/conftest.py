"""A decoding engine over a fake model, whose deltas are recorded."""

import logging
from collections.abc import Iterator

import pytest

from tests.unit.decoding.fakes import FakeModel, RecordingSink
from workers.runtime.decoding.engine import DecodingEngine


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@pytest.fixture
def engine(sink: RecordingSink) -> DecodingEngine:
    return DecodingEngine(sink)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keeps the log free of the failures that a test provokes."""
    with caplog.at_level(logging.CRITICAL):
        yield
