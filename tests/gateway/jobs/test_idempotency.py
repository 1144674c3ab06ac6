"""Idempotency-Key: the same request is accepted once, however often and however parallel it comes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import GENERATOR
from tests.gateway.fakes.worker import EMBED, UNSERVED
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
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (False, "true")
    field = next(name for name in ("input", "inputs", "prompt") if name in body)
    other = http.post(path, json={**body, field: "other"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")


def _spelled_otherwise(body: dict[str, Any]) -> str:
    fields = ", ".join(f'"{name}" :  "{value}"' for name, value in reversed(body.items()))
    return f"{{ {fields} }}".replace("text", "\\u0074ext")


def test_another_route_or_another_option_is_another_request(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": "route"}
    assert http.post("/v1/embed", json={"inputs": "text"}, headers=headers).status_code == 200
    assert http.post("/v1/jobs", json={"task": "embed", "inputs": "text"}, headers=headers).status_code == 422
    assert http.post("/v1/embed", json={"inputs": "text", "ttl_s": 9}, headers=headers).status_code == 422


def test_fifty_concurrent_submits_make_one_job(stack: Stack) -> None:
    body = {"task": "embed", "inputs": "race", "model": UNSERVED}

    def submit(_: int) -> tuple[int, str, bool]:
        answer = httpx.post(
            f"{stack.gateway.url}/v1/jobs", json=body, headers={"Idempotency-Key": "race"}, timeout=PATIENCE_S
        )
        return answer.status_code, answer.json()["id"], "Idempotent-Replayed" in answer.headers

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(submit, range(50)))
    assert {status for status, _, _ in answers} == {202}
    assert len({job_id for _, job_id, _ in answers}) == 1
    assert sum(not replayed for _, _, replayed in answers) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_bad_key_is_refused_by_name(http: httpx.Client, key: str) -> None:
    answer = http.post("/v1/embed", json={"inputs": "text"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "Idempotency-Key")
