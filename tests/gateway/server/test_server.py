"""The HTTP server: large, slow and broken requests, stops, and invalid settings."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import UNSERVED, announce
from tests.gateway.gateway_process import GatewayProcess, environment, running_gateway
from tests.support.paths import ROOT
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

POST = b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextmanager
def connected(gateway: GatewayProcess) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
        yield connection


def answer_of(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Read one answer with a Content-Length from a raw connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    while len(body) < int(fields["content-length"]):
        body += _some(connection)
    return int(head.split()[1]), json.loads(body)["error"]


def _some(connection: socket.socket) -> bytes:
    delta = connection.recv(65536)
    assert delta, "the connection was closed"
    return delta


def test_a_large_body_is_refused_before_it_is_read(stack: Stack) -> None:
    with connected(stack.gateway) as connection:
        connection.sendall(POST + b"Content-Length: 10000000\r\n\r\n")  # and nothing of the body
        status, error = answer_of(connection)
    assert (status, error["code"]) == (413, "payload_too_large")


def test_a_client_that_sends_a_large_body_can_read_the_error(http: httpx.Client) -> None:
    answer = http.post("/v1/embed", json={"inputs": "x" * 10_000_000})
    assert answer.status_code == 413
    assert http.get("/livez").status_code == 200


def test_a_chunked_body_is_refused_when_it_grows_too_large(stack: Stack, http: httpx.Client) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with connected(stack.gateway) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 129)
        assert answer_of(connection)[0] == 413
    small = http.post(
        "/v1/embed", content=iter([b'{"inputs":', b' "x"}']), headers={"Content-Type": "application/json"}
    )
    assert small.status_code == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: z\r\n" * 120 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 9 + b"\r\n", 431),
        (b"hello there\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (POST + b"Content-Length: -5\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: nonsense\r\n\r\n", 501),
    ],
)
def test_invalid_http_is_refused_in_the_same_format(stack: Stack, request_bytes: bytes, status: int) -> None:
    with connected(stack.gateway) as connection:
        connection.sendall(request_bytes)
        found, error = answer_of(connection)
    assert (found, set(error)) == (status, {"message", "type", "param", "code"})


def test_a_body_that_is_cut_short_or_never_ends_is_refused(stack: Stack) -> None:
    with connected(stack.gateway) as connection:
        connection.sendall(POST + b'Content-Length: 50\r\n\r\n{"inputs":')
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection)[0] == 400
    with connected(stack.gateway) as connection:
        connection.sendall(POST + b'Content-Length: 50\r\n\r\n{"inputs":')
        status, error = answer_of(connection)
        assert (status, error["code"]) == (408, "body_timeout")


def test_two_hundred_slow_connections_do_not_slow_the_others(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)

    def median_s(client: httpx.Client) -> float:
        times = []
        for _ in range(100):
            started = time.monotonic()
            assert client.get("/livez").status_code == 200
            times.append(time.monotonic() - started)
        return sorted(times)[50]

    with (
        running_gateway(valkey_server.url, tmp_path) as gateway,
        ExitStack() as stack,
        httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client,
    ):
        before_s = median_s(client)
        slow = [stack.enter_context(connected(gateway)) for _ in range(200)]
        for index, connection in enumerate(slow):
            connection.sendall(b"GET /livez HT" if index % 2 else POST + b'Content-Length: 50\r\n\r\n{"inp')
        times = []
        for _ in range(5):
            times.append(median_s(client))
            # Other programs may have come. The slow connections would be in the way every time.
            if times[-1] < 0.01 + 4 * before_s:
                return
    pytest.fail(f"{times} s with slow connections, {before_s} s without")


def test_a_stop_ends_waits_and_exits_cleanly(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path) as gateway, ThreadPoolExecutor(12) as pool:
        body = {"task": "embed", "inputs": "x", "model": UNSERVED}
        job = httpx.post(f"{gateway.url}/v1/jobs", json=body).json()
        path = gateway.url + job["urls"]["self"]
        polls = [pool.submit(httpx.get, f"{path}?wait=50", timeout=PATIENCE_S) for _ in range(10)]
        submits = pool.submit(
            httpx.post, f"{gateway.url}/v1/embed", json={"inputs": "x", "model": UNSERVED}, timeout=PATIENCE_S
        )
        with httpx.stream("GET", f"{path}/events", timeout=PATIENCE_S) as stream:
            lines = stream.iter_lines()
            next(lines)
            wait_until(lambda: gateway.num_clients >= 12, "not everybody waits yet")
            started = time.monotonic()
            gateway.send(signal.SIGTERM)
            list(lines)
        answers = [poll.result() for poll in polls]
        assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "queued")}
        assert (submits.result().status_code, submits.result().json()["object"]) == (202, "job")
        assert gateway.wait() == 0
        assert time.monotonic() - started < 25, "half of the time for which the polls would have waited"


def test_a_request_on_its_way_is_served_at_a_stop(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    settings = {"TRIPTYCH_GATEWAY_PROCESSES": "1"}
    with (
        running_gateway(valkey_server.url, tmp_path, ready=False, **settings) as gateway,
        connected(gateway) as idle,
        connected(gateway) as new,
    ):
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert _some(idle).startswith(b"HTTP/1.1 200")
        wait_until(lambda: gateway.num_clients == 2, "not accepted")
        gateway.send(signal.SIGTERM)
        while idle.recv(65536):
            pass
        new.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert _some(new).startswith(b"HTTP/1.1 200")
        assert gateway.wait() == 0


def test_idle_connections_do_not_delay_a_stop(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path) as gateway, httpx.Client(base_url=gateway.url) as client:
        round_trip_s = longest_s(lambda: client.get("/livez"))
        started = time.monotonic()
        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0
        # Well below the 8 s for which requests are waited for, and the 10 s for which a connection may be idle.
        assert time.monotonic() - started < 5 + 50 * round_trip_s
        assert "Traceback" not in gateway.log.read_text()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"TRIPTYCH_PORT": "http"}, "TRIPTYCH_PORT"),
        ({"TRIPTYCH_PORT": "70000"}, "TRIPTYCH_PORT"),
        ({"TRIPTYCH_HOST": "203.0.113.7", "TRIPTYCH_ALLOW_OPEN": "1"}, "TRIPTYCH_HOST"),
        ({"TRIPTYCH_DEFAULT_MODELS": "fly=x"}, "TRIPTYCH_DEFAULT_MODELS"),
        ({"TRIPTYCH_MAX_BODY_BYTES": "5"}, "TRIPTYCH_MAX_BODY_BYTES"),
        ({"TRIPTYCH_ALLOW_OPEN": "perhaps"}, "TRIPTYCH_ALLOW_OPEN"),
        ({"TRIPTYCH_LOG": "LOUD"}, "TRIPTYCH_LOG"),
        ({"TRIPTYCH_REDIS_URL": "http://x"}, "TRIPTYCH_REDIS_URL"),
    ],
)
def test_an_invalid_setting_ends_the_start_with_one_line(settings: dict[str, str], says: str) -> None:
    command = [sys.executable, "-m", "services.gateway"]
    env = environment("redis://127.0.0.1:1/0", TRIPTYCH_PORT=str(free_port())) | settings
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert found.returncode == 2
    assert says in found.stderr and found.stderr.count("\n") == 1


def test_a_port_in_use_is_reported(stack: Stack) -> None:
    env = environment(stack.valkey.url, TRIPTYCH_PORT=str(stack.gateway.port))
    command = [sys.executable, "-m", "services.gateway"]
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert found.returncode == 2 and "in use" in found.stderr


def test_the_gateway_stays_small(stack: Stack, tmp_path: Path) -> None:
    """One of its own: what others have sent to theirs, such as megabytes of typing errors, leaves pages behind."""
    with running_gateway(stack.valkey.url, tmp_path) as gateway:
        with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
            for _ in range(200):
                assert client.post("/v1/embed", json={"inputs": ["some words"] * 20}).status_code == 200
            for path in ("/docs", "/openapi.json", "/metrics", "/v1/jobs"):
                assert client.get(path).status_code == 200
        processes = gateway.processes
        # What a process shares with others counts in parts: after a fork most of its pages are the arbiter's.
        pss = [process.memory_full_info().pss / 2**20 for process in (psutil.Process(gateway.pid), *processes)]
    assert sum(pss) <= 60 + 40 * len(processes), pss


def test_every_line_of_the_log_is_json(stack: Stack, http: httpx.Client) -> None:
    http.get("/v1/jobs", headers={"X-Api-Key": "tt_x"})
    lines = stack.gateway.log.read_text().split("\n")[:-1]  # behind the last end of a line one may be in the making
    assert lines
    for line in lines:
        assert {"time", "level", "message"} <= set(json.loads(line)), line
