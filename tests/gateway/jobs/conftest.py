"""Fixtures of tests of a gateway whose models are measured."""

from collections.abc import Iterator

import pytest

from tests.gateway.jobs.measured import Measured


@pytest.fixture
def measured(running: Measured) -> Iterator[Measured]:
    """The module's measured gateway, without jobs."""
    yield running
    running.end_all()
