"""Each request leaves one line and has an id, whatever becomes of it."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.streams import GENERATE, PROMPT, TEXT, dropped_after, items_of, read_until
from tests.support.log_lines import log_lines, wait_for_line
from tests.support.waiting import PATIENCE_S

MADE = re.compile(r"[0-9a-f]{16}")


@pytest.fixture(scope="module")
def gateway(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Another gateway of the shared stack: refusals of other tests would use up what may be logged of them."""
    with running_gateway(stack.valkey.url, tmp_path_factory.mktemp("logged")) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
        yield client


def line_of(gateway: GatewayProcess, request_id: str) -> dict[str, Any]:
    """Return the one line of a request."""
    return wait_for_line(gateway.log, message="request", request_id=request_id)


def test_a_request_leaves_one_line_with_what_an_operator_asks_for(gateway: GatewayProcess, http: httpx.Client) -> None:
    body = json.dumps({"task": "embed", "inputs": "a text"})
    headers = {"X-Request-Id": "line-1", "Content-Type": "application/json"}
    answer = http.post("/v1/jobs?note=hidden", content=body, headers=headers)
    line = line_of(gateway, "line-1")
    assert (line["level"], line["process"], line["message"]) == ("info", "gateway", "request")
    assert (line["method"], line["route"], line["status"], line["tenant"]) == ("POST", "/v1/jobs", 202, "default")
    assert (line["job_id"], line["bytes_in"], line["bytes_out"]) == (
        answer.json()["id"],
        len(body),
        len(answer.content),
    )
    assert line["ms"] > 0
    http.get(f"/v1/jobs/{line['job_id']}", headers={"X-Request-Id": "line-2"})
    read = line_of(gateway, "line-2")
    assert (read["route"], read["job_id"]) == ("/v1/jobs/<job_id>", line["job_id"])
    assert len(log_lines(gateway.log, request_id="line-1")) == 1
    assert "hidden" not in gateway.log.read_text()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a", True),
        ("Root=1-67891233-abcdef012345678912345678", True),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", True),
        ("a+b/c==.@:_", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("x" * 5000, False),
        ("two words", False),
        ('a"b', False),
        ("a,b", False),
        ("schöne-id".encode(), False),
        (b"\xff\xfe", False),
        ("", False),
    ],
)
def test_a_clients_id_is_kept_if_it_is_sane(http: httpx.Client, sent: str | bytes, kept: bool) -> None:
    answer = http.get("/livez", headers={b"X-Request-Id": sent if isinstance(sent, bytes) else sent.encode()})
    found = answer.headers["X-Request-Id"]
    assert found == sent if kept else MADE.fullmatch(found)


def test_two_ids_or_a_folded_one_are_replaced(gateway: GatewayProcess) -> None:
    for lines in (b"X-Request-Id: a\r\nX-Request-Id: b\r\n", b"X-Request-Id: a\r\n b\r\n"):
        head = gateway.exchange(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + lines + b"\r\n")
        assert MADE.fullmatch(_id_in(head)), head


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/at/all", 404),
        ("DELETE", "/v1/embed", 405),
        ("GET", "/v1/jobs/short", 404),
        ("GET", "/v1/jobs?limit=many", 422),
        ("POST", "/v1/embed", 415),
        ("POST", "/translate", 415),
        ("POST", "/v2/check", 415),
    ],
)
def test_a_refusal_has_the_id_and_a_line(
    gateway: GatewayProcess, http: httpx.Client, method: str, path: str, status: int
) -> None:
    request_id = f"refused:{method}:{path.replace('?', ':')}"
    answer = http.request(method, path, headers={"X-Request-Id": request_id})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, request_id)
    line = line_of(gateway, request_id)
    assert (line["status"], line["method"]) == (status, method)
    error = answer.json()["error"] if answer.headers["Content-Type"] == "application/json" else None
    assert not isinstance(error, dict) or line["error_code"] == error["code"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"hello there\r\n\r\n", 400),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_a_request_that_is_not_http_has_an_id_and_a_line(
    gateway: GatewayProcess, request_bytes: bytes, status: int
) -> None:
    head = gateway.exchange(request_bytes)
    assert f" {status} ".encode() in head
    request_id = _id_in(head)
    assert MADE.fullmatch(request_id)
    line = line_of(gateway, request_id)
    assert (line["status"], line.get("route"), line.get("tenant")) == (status, None, None)
    assert line["error_code"] == "bad_http"


def test_bytes_that_came_are_counted_also_of_a_body_without_a_length_and_of_one_that_broke_off(
    gateway: GatewayProcess, http: httpx.Client
) -> None:
    pieces = [b'{"inputs": "a ', b'text", "model": "no such model"}']
    headers = {"Content-Type": "application/json", "X-Request-Id": "chunked"}
    assert http.post("/v1/embed", content=iter(pieces), headers=headers).status_code == 404
    assert line_of(gateway, "chunked")["bytes_in"] == sum(map(len, pieces))
    head = b"POST /v1/embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head + b"X-Request-Id: broken\r\n\r\n" + b"123456789")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)
    assert line_of(gateway, "broken")["bytes_in"] == 9


def test_the_job_keeps_the_id_of_its_first_request(http: httpx.Client) -> None:
    body = {"task": "embed", "inputs": "a text"}

    def submit(request_id: str) -> dict[str, Any]:
        headers = {"X-Request-Id": request_id, "Idempotency-Key": "once-for-the-log"}
        answer = http.post("/v1/jobs", json=body, headers=headers)
        assert answer.headers["X-Request-Id"] == request_id
        job: dict[str, Any] = answer.json()
        return job

    first, second = submit("first-try"), submit("second-try")
    assert first["id"] == second["id"]
    assert (first["request_id"], second["request_id"]) == ("first-try", "first-try")
    listed = http.get("/v1/jobs", params={"limit": 100}).json()["data"]
    assert next(job for job in listed if job["id"] == first["id"])["request_id"] == "first-try"


def test_a_stream_leaves_its_line_at_its_end(stack: Stack, gateway: GatewayProcess, http: httpx.Client) -> None:
    headers = {"X-Request-Id": "stream-1"}
    request = http.stream("POST", "/v1/generate", json=GENERATE, headers=headers, timeout=PATIENCE_S)
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(_serve, stack)  # beside the request, whose answer begins with the first delta
        with request as answer:
            worker = serving.result()
            assert answer.headers["X-Request-Id"] == "stream-1"
            assert log_lines(gateway.log, request_id="stream-1") == []
            worker.succeed(worker.deltas(PROMPT))
            items = items_of(answer)
    line = line_of(gateway, "stream-1")
    assert (line["status"], line["job_id"], line.get("disconnected")) == (200, worker.claim.id, None)
    assert line["bytes_out"] > sum(len(json.dumps(item["data"])) for item in items) / 2


def _serve(stack: Stack) -> ManualWorker:
    worker = ManualWorker(stack.store)
    worker.emit(*worker.deltas(PROMPT)[:2])
    return worker


def test_a_stream_whose_client_has_left_says_so(stack: Stack, gateway: GatewayProcess) -> None:
    with dropped_after(gateway, "/v1/generate", GENERATE) as connection:
        worker = ManualWorker(stack.store)
        deltas = worker.deltas(PROMPT)
        worker.emit(*deltas[:2])
        read_until(connection, PROMPT.encode())
    line = wait_for_line(gateway.log, message="request", job_id=worker.claim.id)
    assert (line["status"], line["disconnected"]) == (200, True)
    assert 0 < line["bytes_out"] < 20 * len(TEXT)
    stack.store.confirm_cancel(worker.claim)


def test_what_was_just_answered_is_logged_by_a_gateway_that_stops(stack: Stack, tmp_path: Path) -> None:
    """Lines wait for a moment, so that several are written together."""
    with running_gateway(stack.valkey.url, tmp_path) as gateway:
        with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
            for number in range(20):
                client.get("/v1/models", headers={"X-Request-Id": f"last-{number}"})
        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0
    found = {line["request_id"] for line in log_lines(gateway.log, message="request")}
    assert found == {f"last-{number}" for number in range(20)}


def _id_in(head: bytes) -> str:
    match = re.search(rb"(?im)^X-Request-Id: (\S+)\r$", head)
    assert match, head
    return match[1].decode()
