"""Answers that a client has are kept for a short while, all others for their whole time."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contracts.jobs import Job
from contracts.store.keys import PREFIX, job_key
from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR
from tests.gateway.fakes.seq2seq import CORRECTOR, TRANSLATOR
from tests.gateway.fakes.worker import EMBED
from tests.gateway.finished_jobs import KEPT_S, finished_job
from tests.gateway.streams import dropped_after, read_until
from tests.support.waiting import wait_until

Submit = Callable[..., dict[str, Any]]
DELIVERED_S = 300
_TRANSLATE = {"q": "a text", "source": "en", "target": "de", "model": TRANSLATOR}
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embed", {"json": {"inputs": "a text"}}),
    ("/v1/embed", {"json": {"inputs": "fail now"}}),
    ("/v1/jobs", {"json": {"task": "embed", "inputs": "a text"}, "headers": {"Prefer": "wait=60"}}),
    ("/v1/embeddings", {"json": {"input": "a text", "model": EMBED}}),
    ("/v1/embeddings", {"json": {"input": "fail now", "model": EMBED}}),
    ("/v1/completions", {"json": {"prompt": "a text", "model": GENERATOR}}),
    ("/v1/chat/completions", {"json": {"messages": [{"role": "user", "content": "hi"}], "model": CHAT_MODEL}}),
    ("/v1/generate", {"json": {"inputs": "a text", "model": GENERATOR, "stream": True}}),
    ("/v1/generate", {"json": {"inputs": "fail now", "model": GENERATOR, "stream": True}}),
    ("/v1/completions", {"json": {"prompt": "a text", "model": GENERATOR, "stream": True}}),
    ("/translate", {"json": _TRANSLATE}),
    ("/v2/check", {"data": {"text": "teh text", "language": "en", "model": CORRECTOR}}),
]


def is_delivered(stack: Stack, job_id: str) -> bool:
    return stack.store.client.zscore(f"{PREFIX}delivered", job_id) is not None


def wait_until_delivered(stack: Stack, job_id: str) -> Job:
    wait_until(lambda: is_delivered(stack, job_id), f"job {job_id} does not count as delivered")
    return stack.store.read(job_id, "default")


def kept_s(job: Job) -> float:
    """Return how long the job is kept after its end."""
    assert job.expires_at is not None and job.completed_at is not None
    return job.expires_at - job.completed_at


def newest_job(stack: Stack) -> str:
    return stack.store.page("default", status=None, task=None, after=None, limit=1)[0][0].id


@pytest.mark.parametrize(("path", "call"), ANSWERS)
def test_an_answer_that_a_client_has_is_kept_for_minutes(
    stack: Stack, http: httpx.Client, path: str, call: dict[str, Any]
) -> None:
    answer = http.post(path, **call)
    job = wait_until_delivered(stack, answer.headers.get("X-Triptych-Job-Id") or newest_job(stack))
    assert DELIVERED_S <= kept_s(job) < KEPT_S / 2, answer.text


def test_a_job_is_delivered_by_its_first_reading_and_can_be_read_again(
    stack: Stack, http: httpx.Client, submit: Submit
) -> None:
    path = submit()["urls"]["self"]
    first = http.get(path, params={"wait": 60}).json()
    job = wait_until_delivered(stack, first["id"])
    # What the client was told holds: the job is kept at least until then.
    assert time.strptime(first["expires_at"][:19], "%Y-%m-%dT%H:%M:%S") <= time.gmtime(job.expires_at)
    second = http.get(path).json()
    assert second["output"] == first["output"] and second["expires_at"] >= first["expires_at"]
    assert stack.store.read(first["id"], "default").expires_at == job.expires_at


def test_the_end_of_a_stream_of_events_delivers_a_job(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    job = submit(["steps", "two"])
    with http.stream("GET", job["urls"]["events"]) as answer:
        answer.read()
    wait_until_delivered(stack, job["id"])


def test_what_shows_no_output_delivers_nothing(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    """Each of these would be noted within 250 ms, and a job that is delivered later shows that they were not."""
    job_id = finished_job(stack)
    path = f"/v1/jobs/{job_id}"
    tag = f'W/"{stack.store.read(job_id, "default").version}"'
    assert http.head(path).status_code == 200
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert http.get("/v1/jobs").status_code == 200
    assert http.get(f"{path}/events", headers={"Last-Event-ID": "9" * 15}).status_code == 204
    wait_until_delivered(stack, http.post("/v1/embed", json={"inputs": "another"}).headers["X-Triptych-Job-Id"])
    assert not is_delivered(stack, job_id)
    assert kept_s(stack.store.read(job_id, "default")) == pytest.approx(KEPT_S, abs=0.01)


@pytest.mark.parametrize("wish", [{"ttl_s": 1000}, {"Idempotency-Key": "kept for me"}])
def test_a_time_that_a_client_has_asked_for_is_obeyed(stack: Stack, http: httpx.Client, wish: dict[str, Any]) -> None:
    body, headers = ({}, wish) if "Idempotency-Key" in wish else (wish, {})
    answer = http.post("/v1/embed", json={"inputs": "a text", **body}, headers=headers)
    job_id = answer.headers["X-Triptych-Job-Id"]
    expected_s = wish.get("ttl_s", KEPT_S)
    for _ in range(2):
        assert http.get(f"/v1/jobs/{job_id}").status_code == 200
        wait_until_delivered(stack, http.post("/v1/embed", json={"inputs": "another"}).headers["X-Triptych-Job-Id"])
        assert not is_delivered(stack, job_id)
        assert kept_s(stack.store.read(job_id, "default")) == pytest.approx(expected_s, abs=0.01)


def test_an_answer_of_which_a_part_was_sent_is_not_delivered(stack: Stack, http: httpx.Client) -> None:
    job_id = finished_job(stack, output=b"[" + b"1," * 8_000_000 + b"1]")
    request = f"GET /v1/jobs/{job_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with dropped_after(stack.gateway, "/v1/embed", {"inputs": "a text"}, receive_bytes=4096) as connection:
        read_until(connection, b"0.5")
        connection.sendall(request)
        read_until(connection, b'"output":[1,1,')
    wait_until(lambda: "dropped" in log_of(stack, job_id), "the request has not ended")
    wait_until_delivered(stack, http.post("/v1/embed", json={"inputs": "another"}).headers["X-Triptych-Job-Id"])
    assert not is_delivered(stack, job_id)


def log_of(stack: Stack, job_id: str) -> str:
    """Return `dropped` if the log has a request for this job whose client disconnected."""
    lines = stack.gateway.log.read_text().splitlines()
    return "dropped" if any(job_id in line and "disconnected" in line for line in lines) else ""


def test_a_job_of_an_older_version_is_kept_as_long_as_its_record_says(stack: Stack, http: httpx.Client) -> None:
    job_id = finished_job(stack)
    stack.store.client.hset(job_key(job_id), "suspect", 0)
    assert http.get(f"/v1/jobs/{job_id}").status_code == 200
    wait_until_delivered(stack, http.post("/v1/embed", json={"inputs": "another"}).headers["X-Triptych-Job-Id"])
    assert not is_delivered(stack, job_id)
