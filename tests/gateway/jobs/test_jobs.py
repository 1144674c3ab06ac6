"""Jobs over HTTP: submit, read, wait, list, cancel, delete."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contracts.errors import WorkerLost
from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import EMBED, UNSERVED
from tests.support.waiting import PATIENCE_S, longest_s

Submit = Callable[..., dict[str, Any]]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FIELDS = [
    *("id", "object", "task", "model", "model_revision", "status", "created_at", "started_at", "completed_at"),
    *("deadline_at", "expires_at", "attempt", "progress", "priority", "queue", "work", "error", "usage", "timings"),
    *("metadata", "request_id", "urls", "output"),
]


def test_a_submit_returns_the_job_and_its_location(http: httpx.Client) -> None:
    answer = http.post(
        "/v1/jobs", json={"task": "embed", "model": UNSERVED, "inputs": ["a", "b"], "metadata": {"k": "v"}}
    )
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}" == job["urls"]["self"]
    assert answer.headers["Retry-After"] == "1"
    assert list(job) == FIELDS
    assert (job["object"], job["status"], job["model"], job["output"]) == ("job", "queued", UNSERVED, None)
    assert job["progress"] == {"done": 0, "total": 2}
    assert job["metadata"] == {"k": "v"}
    assert TIME.fullmatch(job["created_at"]) and TIME.fullmatch(job["deadline_at"])
    read = http.get(answer.headers["Location"]).json()
    assert read["queue"]["position"] >= 0
    varying = {"queue": None, "created_at": "", "deadline_at": ""}
    assert {**read, **varying} == {**job, **varying}


def test_of_a_model_that_was_not_measured_only_the_position_is_known(http: httpx.Client, submit: Submit) -> None:
    submit(model=UNSERVED)
    job = submit(model=UNSERVED)
    for queue in (job["queue"], http.get(job["urls"]["self"]).json()["queue"]):
        assert queue["position"] >= 1 and (queue["work_ahead_s"], queue["eta_s"]) == (None, None)


def test_a_long_poll_answers_the_finished_job(http: httpx.Client, submit: Submit) -> None:
    job = http.get(f"/v1/jobs/{submit('two words')['id']}", params={"wait": 20}).json()
    assert (job["status"], job["output"], job["attempt"]) == ("succeeded", [2.0, 0.5, -0.25, 0.1], 1)
    assert job["usage"] == {"items": 1, "tokens_in": 3, "tokens_used": 2, "truncated_items": 0}
    assert job["timings"] == {"infer_ms": 1.5}
    assert job["progress"] == {"done": 1, "total": 1}
    assert TIME.fullmatch(job["started_at"]) and TIME.fullmatch(job["expires_at"])


def test_a_failed_job_carries_its_error(http: httpx.Client, submit: Submit) -> None:
    job = http.get(f"/v1/jobs/{submit('fail now')['id']}", params={"wait": 20}).json()
    assert job["status"] == "failed"
    assert job["error"] == {
        "code": "input_too_long", "message": "inputs[0] has 99 tokens.", "param": "inputs[0]", "retryable": False,
    }  # fmt: skip


def test_a_long_poll_ends_with_the_unfinished_job(http: httpx.Client, submit: Submit) -> None:
    job = submit(model=UNSERVED)
    round_trip_s = longest_s(lambda: http.get(f"/v1/jobs/{job['id']}"))
    durations = []
    for _ in range(3):
        started = time.monotonic()
        answer = http.get(f"/v1/jobs/{job['id']}", params={"wait": "0.3"})
        durations.append(time.monotonic() - started)
        assert answer.json()["status"] == "queued" and durations[-1] >= 0.3
    assert min(durations) < 1 + 20 * round_trip_s, durations


def test_the_end_of_a_job_wakes_its_long_poll(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    delays = []
    round_trip_s = longest_s(lambda: http.get("/livez"))
    for _ in range(5):
        job_id = submit(model=UNSERVED)["id"]
        found: list[float] = []
        waiter = threading.Thread(target=lambda job_id=job_id, found=found: found.append(_time_of_end(stack, job_id)))
        waiter.start()
        claim = stack.store.claim(job_id, "by hand")
        assert claim is not None
        assert stack.store.fail(claim, WorkerLost())
        ended = time.monotonic()
        waiter.join(PATIENCE_S)
        delays.append(found[0] - ended)
    # Far below the 1.5 s after which a waiter reads its record unasked.
    assert sorted(delays)[2] < 0.3 + 10 * round_trip_s, delays


def _time_of_end(stack: Stack, job_id: str) -> float:
    with httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client:
        assert client.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()["status"] == "failed"
        return time.monotonic()


def test_an_unchanged_job_is_not_sent_again(http: httpx.Client, submit: Submit) -> None:
    path = f"/v1/jobs/{submit(model=UNSERVED)['id']}"
    tag = http.get(path).headers["ETag"]
    same = http.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert http.get(path, params={"wait": "0.2"}, headers={"If-None-Match": tag}).status_code == 304
    http.post(f"{path}/cancel")
    changed = http.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag
    assert http.get(path, headers={"If-None-Match": "*"}).status_code == 304


def test_with_an_etag_a_long_poll_waits_for_any_change(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    job_id = submit(model=UNSERVED)["id"]
    path = f"/v1/jobs/{job_id}"
    # Not the fake worker, which may end a cancelled job before the answer to the cancel shows it.
    claim = stack.store.claim(job_id, "by hand")
    assert claim is not None
    tag = http.get(path).headers["ETag"]
    timer = threading.Timer(0.2, _wake_all_gateways, (stack, job_id))
    timer.start()
    assert http.get(path, params={"wait": "0.6"}, headers={"If-None-Match": tag}).status_code == 304
    assert http.post(f"{path}/cancel").json()["status"] == "cancelling"
    assert http.get(path, params={"wait": 20}, headers={"If-None-Match": tag}).status_code == 200
    assert stack.store.confirm_cancel(claim)
    assert http.get(path, params={"wait": 20}).json()["status"] == "cancelled"
    timer.join()


def _wake_all_gateways(stack: Stack, job_id: str) -> None:
    for channel in stack.store.client.pubsub_channels("triptych:wake:*"):
        stack.store.client.publish(channel, f"{job_id}:running")


def test_cancelling_is_safe_to_repeat_in_every_state(http: httpx.Client, submit: Submit) -> None:
    queued, done = submit(model=UNSERVED)["id"], submit()["id"]
    http.get(f"/v1/jobs/{done}", params={"wait": 20})
    for _ in range(2):
        assert http.post(f"/v1/jobs/{queued}/cancel").json()["status"] == "cancelled"
        assert http.post(f"/v1/jobs/{done}/cancel").json()["status"] == "succeeded"


def test_a_deleted_job_is_gone_and_an_unknown_one_is_not_found(http: httpx.Client, submit: Submit) -> None:
    path = f"/v1/jobs/{submit(model=UNSERVED)['id']}"
    assert http.delete(path).status_code == 204
    for answer in (http.get(path), http.post(f"{path}/cancel"), http.get(f"{path}/events"), http.delete(path)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "job_gone")
    for job_id in ("A" * 22, "short", "A" * 23, "%00" * 22, "../x", "Ä" * 22):
        answer = http.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 404, answer.text
        assert answer.json()["error"]["code"] in {"job_not_found", "route_not_found"}


def test_jobs_are_listed_newest_first_in_pages(http: httpx.Client, submit: Submit) -> None:
    made = [submit(model=UNSERVED)["id"] for _ in range(5)]
    first = http.get("/v1/jobs", params={"status": "queued", "task": "embed", "limit": 3}).json()
    second = http.get("/v1/jobs", params={"status": "queued", "limit": 3, "cursor": first["next_cursor"]}).json()
    assert [job["id"] for job in first["data"] + second["data"]][:5] == made[::-1]
    assert first["object"] == "list" and "output" not in first["data"][0]
    assert http.get("/v1/jobs", params={"task": "classify", "status": "cancelling"}).json()["data"] == []


def test_a_task_can_be_named_as_hugging_face_names_it(http: httpx.Client) -> None:
    body = {"model": UNSERVED, "inputs": "text"}
    headers = {"Idempotency-Key": "by another name"}
    job = http.post("/v1/jobs", json={**body, "task": "feature-extraction"}, headers=headers).json()
    assert job["task"] == http.get(job["urls"]["self"]).json()["task"] == "embed"
    again = http.post("/v1/jobs", json={**body, "task": "embed"}, headers=headers)
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (job["id"], "true")
    for task in ("embed", "feature-extraction"):
        listed = http.get("/v1/jobs", params={"task": task, "limit": 1}).json()["data"]
        assert [found["id"] for found in listed] == [job["id"]]


@pytest.mark.parametrize("task", ["ner", "fly", "", None, ["embed"]])
def test_an_unknown_task_is_refused_with_a_list_of_tasks(http: httpx.Client, task: object) -> None:
    answer = http.post("/v1/jobs", json={"task": task, "inputs": "text"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "task")
    assert "Tasks: embed, classify, " in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/jobs?limit=0", "limit"), ("/v1/jobs?limit=101", "limit"), ("/v1/jobs?limit=x", "limit"),
        ("/v1/jobs?status=PENDING", "status"), ("/v1/jobs?task=fly", "task"), ("/v1/jobs?cursor=!", "cursor"),
        ("/v1/jobs?cursor=AAAA", "cursor"), ("/v1/jobs?cursor=Ä", "cursor"), (f"/v1/jobs/{'A' * 22}?wait=x", "wait"),
        (f"/v1/jobs/{'A' * 22}?wait=-1", "wait"), (f"/v1/jobs/{'A' * 22}?wait=nan", "wait"),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused_by_name(http: httpx.Client, path: str, param: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


def test_a_request_can_set_its_deadline(http: httpx.Client, submit: Submit) -> None:
    job = submit(model=UNSERVED, deadline_s=0.2)
    read = http.get(f"/v1/jobs/{job['id']}", params={"wait": 20}).json()
    assert read["status"] == "expired"


def test_prefer_wait_answers_the_finished_job(http: httpx.Client) -> None:
    body = {"task": "embed", "model": EMBED, "inputs": "three words here"}
    answer = http.post("/v1/jobs", json=body, headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["output"][0]) == (200, 3.0)
    assert answer.headers["Preference-Applied"] == "wait=20"
    late = http.post("/v1/jobs", json={**body, "model": UNSERVED}, headers={"Prefer": "wait=0.1"})
    assert (late.status_code, late.json()["status"]) == (202, "queued")
