"""Idempotency-Key: the same request is accepted once, however often and however parallel it comes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import GENERATOR
from tests.gateway.fakes.worker import EMBED, UNSERVED
from tests.gateway.gateway_process import running_gateway
from tests.support.waiting import PATIENCE_S

ROUTES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/jobs", {"task": "embed", "inputs": "text", "model": UNSERVED}),
    ("/v1/embed", {"inputs": "text"}),
    ("/v1/classify", {"inputs": "text"}),
    ("/v1/embeddings", {"input": "text", "model": EMBED}),
    ("/v1/generate", {"inputs": "text", "model": GENERATOR}),
    ("/v1/completions", {"prompt": "text", "model": GENERATOR}),
]


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_the_same_request_gets_the_same_job(http: httpx.Client, path: str, body: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": f"same {path}"}
    first = http.post(path, json=body, headers=headers)
    second = http.post(path, content=_spelled_otherwise(body), headers={**headers, "Content-Type": "application/json"})
    assert first.headers["X-Triptych-Job-Id"] == second.headers["X-Triptych-Job-Id"]
    assert first.status_code == second.status_code
    assert [answer.headers["Idempotent-Replayed"] for answer in (first, second)] == ["false", "true"]
    field = next(name for name in ("input", "inputs", "prompt") if name in body)
    other = http.post(path, json={**body, field: "other"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")


def test_a_finished_job_is_answered_without_a_pause(http: httpx.Client) -> None:
    """202 as before, since the client asked for the job; but there is nothing to wait for."""
    headers = {"Idempotency-Key": "finished", "Prefer": "respond-async"}
    body = {"inputs": "text"}
    job = http.post("/v1/embed", json=body, headers=headers).json()
    assert http.get(job["urls"]["self"], params={"wait": PATIENCE_S}).json()["status"] == "succeeded"
    again = http.post("/v1/embed", json=body, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (202, job["id"], "succeeded")
    assert "Retry-After" not in again.headers


def _spelled_otherwise(body: dict[str, Any]) -> str:
    fields = ", ".join(f'"{name}" :  "{value}"' for name, value in reversed(body.items()))
    return f"{{ {fields} }}".replace("text", "\\u0074ext")


def test_another_route_or_another_option_is_another_request(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": "route"}
    assert http.post("/v1/embed", json={"inputs": "text"}, headers=headers).status_code == 200
    assert http.post("/v1/jobs", json={"task": "embed", "inputs": "text"}, headers=headers).status_code == 422
    assert http.post("/v1/embed", json={"inputs": "text", "ttl_s": 9}, headers=headers).status_code == 422


def test_a_request_whose_job_is_purged_runs_anew(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": "purged"}
    first = http.post("/v1/embed", json={"inputs": "text"}, headers=headers)
    path = f"/v1/jobs/{first.headers['X-Triptych-Job-Id']}"
    assert http.delete(path).status_code == 204
    other = http.post("/v1/embed", json={"inputs": "other"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    for replayed in ("false", "true"):
        again = http.post("/v1/embed", json={"inputs": "text"}, headers=headers)
        assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (200, first.json(), replayed)
    assert again.headers["X-Triptych-Job-Id"] not in path
    assert http.get(path).status_code == 410


def test_a_tenant_may_use_so_many_keys_and_use_them_again(stack: Stack, tmp_path: Path) -> None:
    def post(key: str) -> httpx.Response:
        return httpx.post(
            f"{gateway.url}/v1/embed", json={"inputs": "text"}, headers={"Idempotency-Key": key}, timeout=PATIENCE_S
        )

    num_keys = stack.store.client.zcard("triptych:idems:default")
    limit = str(num_keys + 1)
    with running_gateway(stack.valkey.url, tmp_path, TRIPTYCH_MAX_IDEMPOTENCY_KEYS=limit) as gateway:
        assert post("the last").status_code == 200
        refused = post("one more")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "idempotency_quota_exceeded")
        assert int(refused.headers["Retry-After"]) > 0
        assert post("the last").headers["Idempotent-Replayed"] == "true"


def test_fifty_concurrent_submits_make_one_job(stack: Stack) -> None:
    body = {"task": "embed", "inputs": "race", "model": UNSERVED}

    def submit(_: int) -> tuple[int, str, bool]:
        answer = httpx.post(
            f"{stack.gateway.url}/v1/jobs", json=body, headers={"Idempotency-Key": "race"}, timeout=PATIENCE_S
        )
        return answer.status_code, answer.json()["id"], answer.headers["Idempotent-Replayed"] == "true"

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(submit, range(50)))
    assert {status for status, _, _ in answers} == {202}
    assert len({job_id for _, job_id, _ in answers}) == 1
    assert sum(not replayed for _, _, replayed in answers) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_bad_key_is_refused_by_name(http: httpx.Client, key: str) -> None:
    answer = http.post("/v1/embed", json={"inputs": "text"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "Idempotency-Key")
