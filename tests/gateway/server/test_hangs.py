"""A process that hangs is ended and replaced, while the others answer and no job is lost."""

import json
import signal
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest

from tests.gateway.fakes.worker import UNSERVED, announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.pinned import call, pinned, send
from tests.support.processes import freeze
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

PROGRAM = "tests.gateway.fakes.spinning_gateway"
SPINNING = "the loop is held from now on"
"""What it prints then."""


@pytest.fixture
def gateway(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway of three processes, which are replaced after five seconds without a sign of life."""
    announce(valkey_server.url)
    settings = {"TRIPTYCH_GATEWAY_PROCESSES": "3", "TEST_NO_MEMORY": str(tmp_path / "no memory")}
    with running_gateway(valkey_server.url, tmp_path, module=PROGRAM, **settings) as running:
        # One that is starting would meet the fault of a test before it has made its app, and that ends a gateway.
        wait_until(lambda: _num_apps(running) == 3, "three processes")
        yield running


def received(connection: HTTPConnection) -> bytes:
    """Return all that comes on a connection until the other side ends it."""
    found = b""
    assert connection.sock is not None
    try:
        while data := connection.sock.recv(65536):
            found += data
    except (OSError, HTTPException):
        pass
    return found


def test_the_others_answer_while_one_process_is_frozen_and_one_spins(gateway: GatewayProcess) -> None:
    frozen, spinning, healthy = gateway.processes
    with pinned(gateway, frozen) as waits, pinned(gateway, spinning) as spins, pinned(gateway, healthy) as works:
        job = call(waits, "POST", "/v1/jobs", {"task": "embed", "model": UNSERVED, "inputs": "x"})[1]
        path = job["urls"]["self"]
        send(waits, "GET", f"{path}?wait=50")
        freeze(frozen.pid)
        send(spins, "GET", "/spin")
        # Until then it might accept one of the connections below, and take it along.
        wait_until(lambda: SPINNING in gateway.log.read_text(), "the process does not hang")

        def replaced() -> bool:
            # Each on a new connection: neither of the two that hang may take it.
            answer = httpx.get(gateway.url + path, timeout=60)
            assert (answer.status_code, answer.json()["status"]) == (200, "queued")
            return len(gateway.processes) == 3 and not {frozen, spinning} & set(gateway.processes)

        wait_until(replaced, "the processes that hang were not replaced")
        assert received(waits) == b"" and received(spins) == b"", "no answer, and above all none in HTML"
        assert call(works, "GET", path)[1]["status"] == "queued"
    assert healthy in gateway.processes
    log = gateway.log.read_text()
    assert log.count("WORKER TIMEOUT") == 2
    assert "in spin" in log, "the log says where the process hung"


def test_a_gateway_with_a_process_that_hangs_stops_in_time(gateway: GatewayProcess) -> None:
    frozen, spinning, _ = gateway.processes
    with pinned(gateway, spinning) as spins:
        send(spins, "GET", "/spin")
        wait_until(lambda: SPINNING in gateway.log.read_text(), "the process does not hang")
        freeze(frozen.pid)
        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    assert not [line for line in lines if "traceback" in line]


def test_the_others_serve_while_a_process_that_died_has_no_memory_to_start(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    victim, *others = gateway.processes
    no_memory = tmp_path / "no memory"
    no_memory.touch()
    victim.kill()
    wait_until(lambda: gateway.log.read_text().count("could not start") >= 2, "it was not tried again")
    assert httpx.get(f"{gateway.url}/readyz").status_code == 200
    no_memory.unlink()
    wait_until(lambda: _num_apps(gateway) == 4, "no process has taken the place of the one that died")
    assert set(others) < set(gateway.processes)


def _num_apps(gateway: GatewayProcess) -> int:
    """Return how many processes have made their app so far, those that have ended since included."""
    return gateway.log.read_text().count("the store answers")


def test_a_gateway_that_can_not_make_its_app_at_the_start_ends(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    no_memory = tmp_path / "no memory"
    no_memory.touch()
    gateway = GatewayProcess(valkey_server.url, tmp_path, module=PROGRAM, TEST_NO_MEMORY=str(no_memory))
    with pytest.raises(AssertionError, match="Worker failed to boot"):
        gateway.start()
    gateway.stop()
