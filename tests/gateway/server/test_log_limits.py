"""What the log of requests leaves out: probes, keys, and most lines of a flood."""

import threading
from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from contracts.logs.flood import MAX_ALIKE, PERIOD_S
from services.gateway.auth.api_keys import ApiKeys
from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.log_lines import log_lines, wait_for_line
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

SECRET = "tt_0123456789ab_" + "s" * 43


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that needs a key, and logs all that it can. One process, since each limits its own lines."""
    folder = tmp_path_factory.mktemp("locked")
    with running_valkey(folder / "valkey") as valkey:
        announce(valkey.url)
        settings = {"TRIPTYCH_LOG": "debug,json", "TRIPTYCH_GATEWAY_PROCESSES": "1"}
        with running_gateway(valkey.url, folder, **settings) as gateway:
            _make_key(valkey)
            with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
                wait_until(lambda: client.get("/v1/jobs").status_code == 401, "no key is needed")
            yield gateway


def _make_key(valkey: ValkeyServer) -> None:
    store = store_of(valkey.url)
    ApiKeys(store.client).create("acme", "")
    store.client.close()


def test_probes_are_logged_at_the_level_debug_only(stack: Stack, http: httpx.Client, locked: GatewayProcess) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        http.get(path, headers={"X-Request-Id": f"probe{path}"})
        httpx.get(f"{locked.url}{path}", headers={"X-Request-Id": f"probe{path}"}, timeout=PATIENCE_S)
        assert wait_for_line(locked.log, request_id=f"probe{path}")["level"] == "debug"
    http.get("/v1/models", headers={"X-Request-Id": "after-the-probes"})
    wait_for_line(stack.gateway.log, request_id="after-the-probes")
    assert not any(line.get("route") == "/livez" for line in log_lines(stack.gateway.log))


def test_no_key_is_ever_logged(locked: GatewayProcess) -> None:
    with httpx.Client(base_url=locked.url, timeout=PATIENCE_S) as client:
        client.get("/v1/jobs", headers={"Authorization": f"Bearer {SECRET}"})
        client.get("/v1/jobs", params={"api_key": SECRET}, headers={"X-API-Key": SECRET})
        client.post("/translate", json={"q": SECRET, "source": "en", "target": "de", "api_key": SECRET})
        client.post("/v2/check", data={"text": SECRET, "language": "en", "apiKey": SECRET})
        client.get(f"/{SECRET}")
        client.request(SECRET[:20], "/v1/jobs")
        locked.exchange(f"GET /?key={SECRET} HTTP/9.9\r\n\r\n".encode())
        locked.exchange(f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization {SECRET}\r\n\r\n".encode())
        client.get("/livez", headers={"X-Request-Id": "after-the-keys"})
    wait_for_line(locked.log, request_id="after-the-keys")
    assert "s" * 40 not in locked.log.read_text()


def test_a_flood_of_refused_requests_leaves_few_lines_and_their_number(locked: GatewayProcess) -> None:
    num_before = len(log_lines(locked.log))

    def flood() -> None:
        with httpx.Client(base_url=locked.url, timeout=PATIENCE_S) as client:
            for _ in range(100):
                assert client.post("/v1/embed", json={"inputs": "x"}).status_code == 401
                client.get("/nothing")
                locked.exchange(b"no HTTP at all\r\n\r\n")

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def counted() -> bool:
        lines = log_lines(locked.log)[num_before:]
        return sum(line.get("num_more", 1) for line in lines if line.get("status") == 401) >= 400

    wait_until(counted, "the flood was not summed up")
    (first, *_, last) = log_lines(locked.log)[num_before:]
    begin, end = (datetime.fromisoformat(line["time"]) for line in (first, last))
    seconds = (end - begin).total_seconds() + PERIOD_S
    # Three kinds, and besides them a probe or another line now and then.
    assert len(log_lines(locked.log)) - num_before <= 4 * (MAX_ALIKE + 1) * (seconds / PERIOD_S + 2)
