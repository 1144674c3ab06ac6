"""Workers, and with them a store and a gateway, for each fault test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.faults.generating_fleet import GeneratingFleet
from tests.support.stepping_clock import SteppingClock
from tests.support.valkey import ValkeyServer


@pytest.fixture
def clock(tmp_path: Path) -> SteppingClock:
    """The clock of a store that a test starts for itself."""
    return SteppingClock(tmp_path)


@pytest.fixture
def fleet(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """Workers with a short lease, so that a lost worker is noticed while the test runs."""
    fleet = Fleet(valkey_server, tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def patient_fleet(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """Workers with the default lease, which does not run out even if heartbeats are late."""
    fleet = Fleet(valkey_server, tmp_path, lease_s=15)
    yield fleet
    fleet.close()


@pytest.fixture(scope="package")
def generating_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GeneratingFleet]:
    """A server and a gateway that all faults of text generation share, because starting them takes long."""
    with GeneratingFleet.running(tmp_path_factory.mktemp("generating")) as fleet:
        yield fleet


@pytest.fixture
def generating_fleet(generating_stack: GeneratingFleet) -> Iterator[GeneratingFleet]:
    """Decoders with a short lease behind a gateway; the store is empty, and no worker runs yet."""
    yield generating_stack
    generating_stack.clear()


@pytest.fixture
def decoders(generating_fleet: GeneratingFleet) -> Iterator[GeneratingFleet]:
    """A `generating_fleet` that starts real decoder workers, without faults."""
    faulty_program, generating_fleet.program = generating_fleet.program, "workers.decoder"
    yield generating_fleet
    generating_fleet.program = faulty_program
