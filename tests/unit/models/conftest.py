"""A package that a worker serves, and the log of its versions."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.models.fakes import ServedPackage


@pytest.fixture
def package(tmp_path: Path) -> ServedPackage:
    return ServedPackage(tmp_path)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log of the workers' runtime, with its informational lines."""
    with caplog.at_level(logging.INFO, "workers.runtime"):
        yield caplog
