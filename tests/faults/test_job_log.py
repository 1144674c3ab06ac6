"""Real processes log each job's end once, whoever ends it, with the id of the request that submitted it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.logs.formats import extra_fields
from tests.faults.faulty_worker import MODEL
from tests.faults.fleet import Fleet
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.log_lines import Line, job_ends, log_lines, wait_for_line
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until


class LoggedFleet:
    """A gateway and its workers, and all that they log."""

    def __init__(self, fleet: Fleet, gateway: GatewayProcess, caplog: pytest.LogCaptureFixture) -> None:
        self.fleet = fleet
        self.gateway = gateway
        self._caplog = caplog
        self.http = httpx.Client(base_url=gateway.url, timeout=PATIENCE_S)

    def submit(self, request_id: str, text: str, **fields: Any) -> str:
        """Submit a job over HTTP and return its id."""
        body = {"task": "classify", "model": MODEL, "inputs": text, **fields}
        answer = self.http.post("/v1/jobs", json=body, headers={"X-Request-Id": request_id})
        assert answer.status_code == 202, answer.text
        assert answer.headers["X-Request-Id"] == request_id
        job_id: str = answer.json()["id"]
        return job_id

    def worker_logs(self) -> list[Path]:
        return sorted(self.fleet.folder.glob("worker-*.log"))

    def ends(self, job_id: str) -> list[Line]:
        """Return all lines about the end of a job: of gateway, workers, and the fleet's reaper in this process."""
        here = [extra_fields(record) for record in self._caplog.records if record.name == "contracts.store.job_ends"]
        return [*job_ends(self.gateway.log, *self.worker_logs())(job_id), *(r for r in here if r["job_id"] == job_id)]

    def the_end(self, job_id: str) -> Line:
        """Wait for the line about the end of a job."""
        wait_until(lambda: self.fleet.job(job_id).finished, "the job never ended")
        return wait_until(lambda: self.ends(job_id), "no line about the job's end")[0]


@pytest.fixture
def logged(
    fleet: Fleet, valkey_server: ValkeyServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[LoggedFleet]:
    caplog.set_level(logging.INFO, "contracts.store.job_ends")
    fleet.tenant = "default"
    fleet.start_worker()
    with running_gateway(valkey_server.url, tmp_path) as gateway:
        logged = LoggedFleet(fleet, gateway, caplog)
        yield logged
        logged.http.close()


def test_one_request_is_found_in_the_logs_of_gateway_and_worker(logged: LoggedFleet) -> None:
    job_id = logged.submit("trace-1", "fault:exit")
    end = logged.the_end(job_id)
    request = wait_for_line(logged.gateway.log, message="request", request_id="trace-1")
    assert (request["route"], request["status"], request["job_id"]) == ("/v1/jobs", 202, job_id)
    (worker_log,) = logged.worker_logs()
    (cause,) = log_lines(worker_log, message="model call failed", request_id="trace-1")
    assert (cause["job_id"], cause["level"]) == (job_id, "error")
    assert "SystemExit" in cause["traceback"]
    assert (end["request_id"], end["status"], end["error_code"]) == ("trace-1", "failed", "internal_error")
    assert (end["process"], end["tenant"], end["model"], end["task"]) == (
        "faulty-encoder",
        "default",
        MODEL,
        "classify",
    )
    assert logged.http.get(f"/v1/jobs/{job_id}").json()["request_id"] == "trace-1"


def test_each_end_is_logged_once(logged: LoggedFleet) -> None:
    fleet = logged.fleet
    succeeded = logged.submit("succeeds", "a text")
    failed = logged.submit("fails", "fault:memory")
    expired = logged.submit("expires", "fault:slow=3", deadline_s=1)
    hanging = logged.submit("hangs", "fault:hang")
    wait_until((fleet.folder / "hung").exists, "the job does not hang")
    logged.http.post(f"/v1/jobs/{hanging}/cancel")
    fleet.release_hang()
    ends = {job_id: logged.the_end(job_id) for job_id in (succeeded, failed, expired, hanging)}
    found = {end["request_id"]: (end["status"], end.get("error_code")) for end in ends.values()}
    assert found == {
        "succeeds": ("succeeded", None),
        "fails": ("failed", "out_of_memory"),
        "expires": ("expired", None),
        "hangs": ("cancelled", None),
    }
    assert ends[succeeded]["infer_ms"] > 0 and ends[succeeded]["queue_ms"] >= 0

    deadly = logged.submit("kills", "fault:kill")
    for num_crashes in (1, 2, 3):
        wait_until(lambda n=num_crashes: fleet.job(deadly).crashes == n, "the worker was not killed")
        if num_crashes < 3:
            fleet.spawn_worker()  # it may die before it is seen to be ready
    lost = logged.the_end(deadly)
    assert (lost["status"], lost["error_code"], lost["attempt"]) == ("failed", "worker_lost", 3)

    for worker in fleet.workers:
        worker.kill()
    queued = logged.submit("never-runs", "a text")
    logged.http.post(f"/v1/jobs/{queued}/cancel")
    end = logged.the_end(queued)
    assert (end["process"], end["status"], end["attempt"]) == ("gateway", "cancelled", 0)
    _assert_one_line_each(logged, [succeeded, failed, expired, hanging, deadly, queued])


def _assert_one_line_each(logged: LoggedFleet, job_ids: list[str]) -> None:
    # Whoever would write a second line has done it before this later job has ended.
    logged.fleet.start_worker()
    logged.the_end(logged.submit("last", "a text"))
    assert {job_id: len(logged.ends(job_id)) for job_id in job_ids} == dict.fromkeys(job_ids, 1)
