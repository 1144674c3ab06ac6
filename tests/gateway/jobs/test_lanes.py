"""Lanes: how urgent a job is, by its `priority` or by whether its client waits, and how long it may take."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from services.gateway.limits.pacing import LONG_S, PAUSE_S
from tests.gateway.fakes.generation import UNSERVED_GENERATOR
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.jobs.measured import Measured, running_measured

DEADLINE_S, BULK_DEADLINE_S = 1000.0, 5000.0
WAITS = {"Prefer": "wait=0.1"}
NO_WAIT = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    settings = {"TRIPTYCH_DEADLINE_S": str(DEADLINE_S), "TRIPTYCH_BULK_DEADLINE_S": str(BULK_DEADLINE_S)}
    with running_measured(tmp_path_factory.mktemp("lanes"), **settings) as found:
        yield found


def seconds_of(job: dict[str, Any]) -> float:
    """Return how long a job may take."""
    created, deadline = (datetime.fromisoformat(job[name]) for name in ("created_at", "deadline_at"))
    return (deadline - created).total_seconds()


def test_a_job_that_nobody_waits_for_is_default(measured: Measured) -> None:
    job = measured.submit().json()
    assert (job["priority"], seconds_of(job)) == ("default", pytest.approx(DEADLINE_S, abs=1))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", {"task": "embed", "model": UNSERVED, "inputs": "a text"}),
        ("/v1/embed", {"model": UNSERVED, "inputs": "a text"}),
        ("/v1/embeddings", {"model": UNSERVED, "input": "a text"}),
        ("/v1/completions", {"model": UNSERVED_GENERATOR, "prompt": "a text"}),
        ("/v1/chat/completions", {"model": UNSERVED_GENERATOR, "messages": [{"role": "user", "content": "a text"}]}),
        ("/v1/generate", {"model": UNSERVED_GENERATOR, "inputs": "a text", "stream": True}),
    ],
)
def test_a_request_that_waits_is_interactive_unless_it_says_how_urgent_it_is(
    measured: Measured, path: str, body: dict[str, Any]
) -> None:
    found = measured.http.post(path, json=body, headers=WAITS)
    assert (found.status_code, found.json()["priority"]) == (202, "interactive"), found.text
    assert measured.http.post(path, json=body, headers=NO_WAIT).json()["priority"] == "default"
    for headers in (WAITS, NO_WAIT):
        job = measured.http.post(path, json={**body, "priority": "bulk"}, headers=headers).json()
        assert (job["priority"], seconds_of(job)) == ("bulk", pytest.approx(BULK_DEADLINE_S, abs=1))
    refused = measured.http.post(path, json={**body, "priority": "urgent"}, headers=NO_WAIT)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "priority")


def test_a_request_sets_the_deadline_of_any_lane(measured: Measured) -> None:
    job = measured.submit(priority="bulk", deadline_s=70).json()
    assert seconds_of(job) == pytest.approx(70, abs=1)


def test_an_attempt_at_a_bulk_job_may_take_until_its_deadline(measured: Measured) -> None:
    for fields, timeout_s in (
        ({}, 600.0),
        ({"priority": "bulk"}, BULK_DEADLINE_S),
        ({"priority": "bulk", "deadline_s": 70}, 70.0),
        ({"priority": "bulk", "timeout_s": 30}, 30.0),
    ):
        job_id = measured.submit(**fields).json()["id"]  # type: ignore[arg-type]
        claim = measured.store.claim(job_id, "by hand")
        assert claim is not None and claim.timeout_s == timeout_s


def test_more_urgent_lanes_come_first(measured: Measured) -> None:
    made = {lane: measured.submit(priority=lane).json()["id"] for lane in ("bulk", "default", "interactive")}
    claims = [measured.claim() for _ in made]
    assert [claim.id for claim in claims] == [made["interactive"], made["default"], made["bulk"]]
    assert [claim.lane for claim in claims] == ["interactive", "default", "bulk"]


def test_a_priority_makes_another_request(measured: Measured) -> None:
    key = {"Idempotency-Key": "one key"}
    body = {"task": "embed", "model": UNSERVED, "inputs": "a text"}
    assert measured.http.post("/v1/jobs", json=body, headers=key).status_code == 202
    other = measured.http.post("/v1/jobs", json={**body, "priority": "bulk"}, headers=key)
    assert other.json()["error"]["code"] == "idempotency_mismatch"


@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [(NO_WAIT, {}, 202), ({"Prefer": "wait=0.001"}, {}, 202), (NO_WAIT, {"deadline_s": 20}, 503)],
    ids=["accepted", "waiting", "refused"],
)
def test_submits_of_a_flow_of_which_much_waits_pause_while_there_are_others(
    measured: Measured, headers: dict[str, str], fields: dict[str, Any], status: int
) -> None:
    measured.submit()
    assert measured.submit(60, priority="bulk").json()["queue"]["eta_s"] > LONG_S
    body = {"task": "embed", "model": UNSERVED, "inputs": "a text", "priority": "bulk", **fields}
    num_jobs = 60

    def submit(_: int) -> int:
        return measured.http.post("/v1/jobs", json=body, headers=headers).status_code

    submit(0)
    began = time.monotonic()
    with ThreadPoolExecutor(12) as clients:
        statuses = set(clients.map(submit, range(num_jobs)))
    num_pauses = (time.monotonic() - began) / PAUSE_S
    assert statuses == {status}
    assert num_jobs <= num_pauses + 2
