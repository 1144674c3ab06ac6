"""A fleet for each fault test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.support.valkey import ValkeyServer


@pytest.fixture
def fleet(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """Workers with a lease of 2 s, so that faults are noticed while the test runs."""
    fleet = Fleet(valkey_server, tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def patient_fleet(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """Workers with the clocks that users get."""
    fleet = Fleet(valkey_server, tmp_path, lease_s=15, republish_after_s=5)
    yield fleet
    fleet.close()
