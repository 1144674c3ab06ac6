"""Several processes on one port are one gateway: wake-ups, limits and metrics are right across them."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.gateway.fakes.worker import UNSERVED, announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.pinned import call, pinned, receive, send
from tests.support.processes import freeze
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

JOB = {"task": "embed", "model": UNSERVED, "inputs": "x"}


@pytest.fixture
def gateway(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway of three processes that allows two streams."""
    announce(valkey_server.url)
    settings = {"TRIPTYCH_GATEWAY_PROCESSES": "3", "TRIPTYCH_MAX_STREAMS": "2"}
    with running_gateway(valkey_server.url, tmp_path, **settings) as running:
        wait_until(lambda: len(running.processes) == 3, "three processes")
        yield running


@pytest.fixture
def connections(gateway: GatewayProcess) -> Iterator[list[HTTPConnection]]:
    """A connection to each of its processes."""
    with ExitStack() as stack:
        yield [stack.enter_context(pinned(gateway, process)) for process in gateway.processes]


def value(metrics: str, series: str) -> float:
    """Return the value of one series, which must be there once."""
    (found,) = re.findall(rf"^{re.escape(series)} (\S+)$", metrics, re.MULTILINE)
    return float(found)


def metrics(connection: HTTPConnection) -> str:
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def submitted(connection: HTTPConnection) -> str:
    status, job = call(connection, "POST", "/v1/jobs", JOB)
    assert status == 202, job
    path: str = job["urls"]["self"]
    return path


def test_a_change_wakes_who_waits_in_any_process(connections: list[HTTPConnection]) -> None:
    first, second, third = connections
    path = submitted(first)
    send(second, "GET", f"{path}?wait=50")
    third.request("GET", f"{path}/events")
    stream = third.getresponse()
    assert stream.status == 200
    assert call(first, "POST", f"{path}/cancel")[0] == 200
    assert receive(second)[1]["status"] == "cancelled"
    assert b"event: cancelled" in stream.read()


def test_the_limit_of_streams_is_that_of_all_processes(connections: list[HTTPConnection]) -> None:
    first, second, third = connections
    path = submitted(first)
    for connection in (first, second):
        connection.request("GET", f"{path}/events")
        assert connection.getresponse().status == 200
    assert value(metrics(third), "triptych_streams_open") == 2
    third.request("GET", f"{path}/events")
    refusal = third.getresponse()
    assert refusal.status == 503 and refusal.getheader("Retry-After")
    assert b"too_many_streams" in refusal.read()
    first.close()
    wait_until(lambda: value(metrics(third), "triptych_streams_open") == 1, "the first stream is still counted")
    third.request("GET", f"{path}/events")
    assert third.getresponse().status == 200


def test_every_process_reports_the_sum_of_all(connections: list[HTTPConnection]) -> None:
    for number, connection in enumerate(connections):
        for _ in range(number + 1):
            assert call(connection, "GET", "/v1/models")[0] == 200
    submits = [submitted(connection) for connection in connections]
    for connection in connections:
        found = metrics(connection)
        assert value(found, 'triptych_http_requests_total{route="/v1/models",status="200"}') == 6
        assert value(found, 'triptych_http_request_seconds_count{route="/v1/models"}') == 6
        assert value(found, 'triptych_http_request_seconds_bucket{le="+Inf",route="/v1/models"}') == 6
        assert value(found, 'triptych_submits_total{replayed="false",task="embed"}') == 3
        # What is read from the store is no sum: each process reads the same.
        assert value(found, "triptych_store_up") == 1
        assert value(found, "triptych_jobs_live") == len(submits)


def test_a_process_that_is_killed_is_replaced_and_takes_nothing_with_it(gateway: GatewayProcess) -> None:
    victim, *others = gateway.processes
    with pinned(gateway, victim) as doomed, pinned(gateway, others[0]) as connection:
        path = submitted(doomed)
        doomed.request("GET", f"{path}/events")
        assert doomed.getresponse().status == 200
        before = _num_requests(metrics(connection))
        victim.kill()
        wait_until(lambda: _all_new(gateway, [victim]), "no other process took its place")
        after = metrics(connection)
        assert value(after, "triptych_streams_open") == 0
        assert _num_requests(after) >= before, "a counter that falls looks like a restart of the gateway"
        assert call(connection, "GET", path)[1]["status"] == "queued"


def test_a_process_starts_also_when_the_folder_of_the_counters_was_removed(gateway: GatewayProcess) -> None:
    victim, *others = gateway.processes
    for process in gateway.processes:
        with pinned(gateway, process) as connection:
            metrics(connection)  # it has started, and so has its files
    (folder,) = {Path(file.path).parent for file in victim.open_files() if file.path.endswith(".db")}
    shutil.rmtree(folder)
    victim.kill()
    wait_until(lambda: _all_new(gateway, [victim]), "no other process took its place")
    (successor,) = set(gateway.processes) - set(others)
    with pinned(gateway, successor) as connection:
        assert value(metrics(connection), "triptych_store_up") == 1


def _num_requests(text: str) -> float:
    return sum(float(found) for found in re.findall(r"^triptych_http_requests_total\S* (\S+)$", text, re.MULTILINE))


def _all_new(gateway: GatewayProcess, old: list[psutil.Process]) -> bool:
    now = gateway.processes  # read once: between two reads an old one may go
    return len(now) == 3 and not set(old) & set(now)


def test_a_hangup_replaces_every_process_without_a_failed_request(gateway: GatewayProcess) -> None:
    old = gateway.processes
    with pinned(gateway, old[0]) as waiting:
        path = submitted(waiting)
        before = _num_requests(metrics(waiting))
        send(waiting, "GET", f"{path}?wait=50")
        gateway.send(signal.SIGHUP)

        def replaced() -> bool:
            # A connection each, since a process that ends closes those that are idle.
            assert httpx.get(f"{gateway.url}/livez").status_code == 200
            return _all_new(gateway, old)

        wait_until(replaced, "the processes were not replaced")
        assert receive(waiting) == (200, call_new(gateway, path))
        assert _num_requests(httpx.get(f"{gateway.url}/metrics").text) > before


def call_new(gateway: GatewayProcess, path: str) -> Any:
    """Return the job as a new connection reads it."""
    return httpx.get(gateway.url + path).json()


@pytest.mark.parametrize("frozen", [False, True])
def test_no_process_outlives_an_arbiter_that_was_killed(gateway: GatewayProcess, frozen: bool) -> None:
    processes = gateway.processes
    if frozen:
        freeze(processes[0].pid)
    gateway.send(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive
