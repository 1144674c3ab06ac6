"""A fleet for each fault test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.faults.writing_fleet import WritingFleet
from tests.support.valkey import ValkeyServer


@pytest.fixture
def fleet(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """Workers with a short lease, so that faults are noticed while the test runs."""
    fleet = Fleet(valkey_server, tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def patient_fleet(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """Workers with the clocks that users get: no heartbeat is so late that a lease runs out."""
    fleet = Fleet(valkey_server, tmp_path, lease_s=15, republish_after_s=5)
    yield fleet
    fleet.close()


@pytest.fixture(scope="package")
def writing_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WritingFleet]:
    """A server and a gateway for all faults of text generation, which start too slowly to be had for each of them."""
    with WritingFleet.running(tmp_path_factory.mktemp("writing")) as fleet:
        yield fleet


@pytest.fixture
def writing_fleet(writing_stack: WritingFleet) -> Iterator[WritingFleet]:
    """Decoders with a short lease behind a gateway; the store is empty, and no worker runs yet."""
    yield writing_stack
    writing_stack.clear()


@pytest.fixture
def decoders(writing_fleet: WritingFleet) -> Iterator[WritingFleet]:
    """The same with decoder workers as users start them."""
    faulty, writing_fleet.program = writing_fleet.program, "workers.decoder"
    yield writing_fleet
    writing_fleet.program = faulty
