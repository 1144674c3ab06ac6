"""A gateway is killed while it accepts jobs: every job with a 202 ends, and so does every job that was only written."""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contracts.jobs import OPEN_TENANT, newcomers_of, queue_of
from contracts.store.keys import PREFIX, flow_key
from tests.faults.faulty_worker import MODEL
from tests.faults.fleet import Fleet, redis_of
from tests.support.valkey import free_port
from tests.support.waiting import PATIENCE_S, wait_until

NUM_KILLS = 5
NUM_CLIENTS = 8


@contextmanager
def running_gateway(fleet: Fleet, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a gateway process on a port until the end of the block."""
    environment = os.environ | fleet.environment | {"TRIPTYCH_PORT": str(port)}
    with (fleet.folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _status(port, "/readyz") == 200, "the gateway did not get ready")
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.wait(PATIENCE_S)


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Client(threading.Thread):
    """Submits jobs one after another until the gateway is gone, and keeps the ids of accepted ones."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__(daemon=True)
        self.accepted: list[str] = []
        self._port = port
        self._number = number

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            while True:
                body = json.dumps({"task": "classify", "model": MODEL, "inputs": f"client {self._number}"})
                connection.request("POST", "/v1/jobs", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
                assert response.status == 202, answer
                self.accepted.append(answer["id"])
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the gateway was killed: this request may or may not have been accepted
        finally:
            connection.close()


def test_a_gateway_killed_while_it_accepts_jobs_loses_none_of_them(fleet: Fleet) -> None:
    fleet.start_worker().kill()  # the model stays known, and without a worker every job waits
    client = redis_of(fleet.server)
    accepted: list[str] = []
    for _ in range(NUM_KILLS):
        port = free_port()
        with running_gateway(fleet, port) as gateway:
            clients = [Client(port, number) for number in range(NUM_CLIENTS)]
            for each in clients:
                each.start()
            wait_until(lambda c=clients: sum(len(each.accepted) for each in c) >= 40, "nothing was accepted")
            os.killpg(gateway.pid, 9)
            for each in clients:
                each.join(PATIENCE_S)
                accepted += each.accepted
        recorded = [
            key.decode().removeprefix(f"{PREFIX}job:") for key in client.scan_iter(f"{PREFIX}job:*", count=1000)
        ]
        waiting = [
            member.decode() for member in client.zrange(flow_key(queue_of(MODEL), "default", OPEN_TENANT), 0, -1)
        ]
        assert sorted(waiting) == sorted(recorded), "each record must wait, and nothing else"
        assert client.llen(queue_of(MODEL)) == 1, "one message says that jobs wait"
    assert set(accepted) <= set(recorded)
    fleet.start_worker()
    wait_until(lambda: fleet.store.num_live() == 0, "some jobs never ended")
    assert fleet.store.num_finished() == {(MODEL, "succeeded"): len(recorded)}


def test_a_job_whose_message_was_lost_still_runs(fleet: Fleet) -> None:
    """One script writes record and message, so no kill can separate them. The test deletes the message instead."""
    fleet.start_worker().kill()
    port = free_port()
    with running_gateway(fleet, port):
        body = json.dumps({"task": "classify", "model": MODEL, "inputs": "a job without a message"})
        job_id = _ask(port, "POST", "/v1/jobs", body)["id"]
        redis_of(fleet.server).delete(queue_of(MODEL), newcomers_of(queue_of(MODEL)))
        fleet.start_worker()
        wait_until(lambda: _ask(port, "GET", f"/v1/jobs/{job_id}?wait=30")["completed_at"], "the job was lost")
        assert _ask(port, "GET", f"/v1/jobs/{job_id}")["status"] == "succeeded"


def _ask(port: int, method: str, path: str, body: str | None = None) -> Any:
    # Each on a connection of its own: while a worker starts, the gateway may close one that is idle.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
