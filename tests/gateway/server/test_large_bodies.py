"""No body delays the other clients of a gateway with one process, whether it is taken or refused."""

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import pytest

from tests.gateway.fakes.worker import announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.large_bodies import MAX_BYTES, LargeBody, every_large_body
from tests.gateway.other_client import OtherClient, assert_no_delay
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S

BODIES = list(every_large_body())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("large")
    with running_valkey(folder / "valkey") as valkey:
        announce(valkey.url)
        # No worker runs: what is accepted expires, and waits end at once.
        settings = {"TRIPTYCH_GATEWAY_PROCESSES": "1", "TRIPTYCH_MAX_WAIT_S": "0", "TRIPTYCH_DEADLINE_S": "1"}
        settings["TRIPTYCH_TENANT_MAX_TOKENS"] = "1e9"  # texts of megabytes are nothing to refuse here
        with running_gateway(valkey.url, folder, **settings) as gateway:
            yield gateway


def send(gateway: GatewayProcess, body: LargeBody, raw: bytes) -> int:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
    headers = {"Content-Type": body.content_type, "Prefer": "respond-async", "Idempotency-Key": str(uuid4())}
    connection.request("POST", body.path, raw, headers)
    answer = connection.getresponse()
    assert len(answer.read()) < 2000
    connection.close()
    return answer.status


def test_the_bodies_are_of_every_kind() -> None:
    assert len(BODIES) >= 50


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{body.path} {body.name}")
def test_no_body_delays_another_client(gateway: GatewayProcess, body: LargeBody) -> None:
    raw = body.make()
    assert len(raw) <= MAX_BYTES
    send(gateway, body, raw)  # the first one also starts the child process

    def delay_s() -> float:
        with OtherClient(gateway.port) as other:
            assert send(gateway, body, raw) in body.statuses
            return other.end()

    assert_no_delay(gateway, delay_s)
