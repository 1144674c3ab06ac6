"""Where a job waits and until when: in its view, in its events, and in `Retry-After`."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.jobs import OPEN_TENANT
from tests.gateway.jobs.measured import Measured, running_measured
from tests.gateway.jobs.test_events import read_events

NOWHERE = {"position": 0, "work_ahead_s": 0.0}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    with running_measured(tmp_path_factory.mktemp("places")) as found:
        yield found


def test_a_submit_says_where_the_job_waits_and_until_when(measured: Measured) -> None:
    first = measured.submit(7)
    assert first.json()["queue"] == {**NOWHERE, "eta_s": 3.5}
    assert first.headers["Retry-After"] == "4"
    second = measured.submit(2)
    assert second.json()["queue"] == {"position": 1, "work_ahead_s": 7.0, "eta_s": 4.5}
    assert second.headers["Retry-After"] == "5"
    assert second.json()["work"] == {"estimated_s": 2.0, "actual_s": None}


def test_a_place_follows_what_becomes_of_the_jobs_ahead(measured: Measured) -> None:
    jobs = [measured.submit(num_inputs).json() for num_inputs in (6, 4, 2)]
    assert measured.view(jobs[2])["queue"] == {"position": 2, "work_ahead_s": 10.0, "eta_s": 6.0}
    claim = measured.claim()
    # What runs is before it as well, but does not wait any more, and most of it is left.
    assert measured.view(jobs[2])["queue"] == {"position": 1, "work_ahead_s": 4.0, "eta_s": 5.1}
    measured.succeed(claim, work_s=6.0)
    assert measured.view(jobs[2])["queue"] == {"position": 1, "work_ahead_s": 4.0, "eta_s": 3.0}
    measured.http.post(jobs[1]["urls"]["cancel"])
    assert measured.view(jobs[2])["queue"]["position"] == 0
    listed = {job["id"]: job for job in measured.http.get("/v1/jobs").json()["data"]}
    assert listed[jobs[2]["id"]]["queue"] is None and listed[jobs[2]["id"]]["work"]["estimated_s"] == 2.0


def test_a_job_says_what_it_has_taken(measured: Measured) -> None:
    job = measured.submit(3).json()
    measured.succeed(measured.claim(), work_s=4.5)
    ended = measured.view(job)
    assert (ended["work"], ended["queue"]) == ({"estimated_s": 3.0, "actual_s": 4.5}, None)


def test_a_client_is_told_when_to_read_an_unfinished_job_again(measured: Measured) -> None:
    short, long = measured.submit(40).json(), measured.submit(2000, deadline_s=5000, timeout_s=5000).json()
    waiting = measured.http.get(long["urls"]["self"])
    assert waiting.headers["Retry-After"] == "600"  # what takes 1,020 s may be estimated wrongly
    measured.claim()
    left_s = [int(measured.http.get(short["urls"]["self"]).headers["Retry-After"]) for _ in range(2)]
    assert 20 >= left_s[0] >= left_s[1] >= 1 and left_s[0] > 1


def test_a_client_that_polls_with_its_etag_is_told_when_as_well(measured: Measured) -> None:
    measured.submit(40)
    path = measured.submit(2).json()["urls"]["self"]
    known = {"If-None-Match": measured.http.get(path).headers["ETag"]}
    same = measured.http.get(path, headers=known)
    assert (same.status_code, same.headers["Retry-After"]) == (304, "21")
    waited = measured.http.get(path, headers=known, params={"wait": "0.1"})
    assert waited.status_code == 304 and "Retry-After" not in waited.headers


def test_who_waits_in_vain_is_told_as_well(measured: Measured) -> None:
    measured.submit(40, priority="interactive")
    body = {"model": "unserved-embed", "inputs": "a text"}
    answer = measured.http.post("/v1/embed", json=body, headers={"Prefer": "wait=0.1"})
    assert (answer.status_code, answer.json()["queue"]["position"]) == (202, 1)
    # Or more: what another lane was given of late counts as well.
    assert answer.json()["queue"]["eta_s"] >= 20.5
    assert int(answer.headers["Retry-After"]) == math.ceil(answer.json()["queue"]["eta_s"])
    stream = {"model": "unserved-generator", "inputs": "a text", "stream": True}
    answer = measured.http.post("/v1/generate", json=stream, headers={"Prefer": "wait=0.1"})
    assert (answer.status_code, answer.json()["queue"]) == (202, {**NOWHERE, "eta_s": answer.json()["queue"]["eta_s"]})


def test_events_tell_the_place_while_it_changes(measured: Measured) -> None:
    measured.submit(60)
    job = measured.submit(40).json()
    with measured.http.stream("GET", job["urls"]["events"]) as answer:
        events = read_events(answer.iter_lines())
        first = next(events)
        assert (first["event"], "id" in first) == ("queued", True)
        assert first["data"] == {"attempt": 0, "queue": {"position": 1, "work_ahead_s": 60.0, "eta_s": 50.0}}
        ahead = measured.claim()
        moved = next(events)
        assert (moved["event"], "id" in moved) == ("queued", False)
        assert moved["data"] == {"attempt": 0, "queue": {**NOWHERE, "eta_s": 41.0}}
        measured.succeed(ahead, work_s=60.0)
        assert next(events)["data"]["queue"] == {**NOWHERE, "eta_s": 20.0}
        measured.succeed(measured.claim(), work_s=2.0)
        rest = list(events)
    assert [event["event"] for event in rest] == ["started", "succeeded"]
    assert rest[1]["data"]["queue"] is None and rest[1]["data"]["work"] == {"estimated_s": 40.0, "actual_s": 2.0}


def test_a_client_that_resumes_while_the_job_waits_hears_of_its_place(measured: Measured) -> None:
    measured.submit(6)
    job = measured.submit(2).json()
    with measured.http.stream("GET", job["urls"]["events"]) as answer:
        first = next(read_events(answer.iter_lines()))
    with measured.http.stream("GET", job["urls"]["events"], headers={"Last-Event-ID": first["id"]}) as answer:
        again = next(read_events(answer.iter_lines()))
    assert ("id" in again, again["data"]["queue"]["position"]) == (False, 1)


def test_a_place_after_a_retry_has_the_attempt_of_the_job(measured: Measured) -> None:
    job = measured.submit(2).json()
    claim = measured.claim()
    measured.store.release([claim])
    with measured.http.stream("GET", job["urls"]["events"]) as answer:
        back = next(event for event in read_events(answer.iter_lines()) if event["data"].get("queue"))
    with measured.http.stream("GET", job["urls"]["events"], headers={"Last-Event-ID": back["id"]}) as answer:
        again = next(read_events(answer.iter_lines()))
    assert (again["event"], again["data"]["attempt"]) == ("queued", measured.store.read(job["id"], OPEN_TENANT).attempt)


def test_a_price_is_compared_with_the_truth(measured: Measured) -> None:
    labels = 'model="unserved-embed"'
    before = [measured.metric(f"triptych_price_ratio_{part}{{{labels}}}") for part in ("count", "sum")]
    job = measured.submit(3).json()
    measured.succeed(measured.claim(), work_s=2.0)
    measured.view(job)
    after = [measured.metric(f"triptych_price_ratio_{part}{{{labels}}}") for part in ("count", "sum")]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1.0, 1.5]


def test_a_worker_that_is_gone_still_sets_prices_and_times(tmp_path: Path) -> None:
    with running_measured(tmp_path, alive=False) as gone:
        assert gone.http.get("/v1/workers").json()["data"] == []
        assert gone.submit(7).json()["queue"] == {**NOWHERE, "eta_s": 3.5}
