"""What one request may ask for: 422 with the limit, its value and where it is set, and nothing is written."""

from typing import Any

import httpx
import pytest

from tests.gateway.fakes.generation import GENERATOR
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.limits.conftest import Deployment
from tests.support.waiting import wait_until

DEFAULT = "1000000"
"""Tokens of one request that a tenant may ask for without limits of its own."""


@pytest.fixture
def limited(client_of: Any) -> Any:
    """Return a client of a new tenant with these limits, and the tenant."""
    return lambda **limits: client_of(limits)


def generating(num_inputs: int, n: int, max_new_tokens: int) -> dict[str, Any]:
    parameters = {"n": n, "max_new_tokens": max_new_tokens, "do_sample": True}
    return {"task": "generate", "model": GENERATOR, "inputs": ["x"] * num_inputs, "parameters": parameters}


def embedding(**fields: Any) -> dict[str, Any]:
    return {"task": "embed", "model": UNSERVED, "inputs": "x", **fields}


def assert_exceeded(answer: httpx.Response, tenant: str, name: str, value: str, param: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "limit_exceeded", param), error
    by = "TRIPTYCH_TENANT_MAX_TOKENS" if value == DEFAULT else f"'keys limits --tenant {tenant}'"
    assert f"{name} is {value} (set by {by})" in error["message"]


def test_inputs_times_sequences_times_tokens_are_limited_exactly(limited: Any) -> None:
    client, tenant = limited(max_tokens=600)
    assert client.post("/v1/jobs", json=generating(10, 4, 15)).status_code == 202
    assert_exceeded(client.post("/v1/jobs", json=generating(10, 4, 16)), tenant, "max_tokens", "600", "inputs")
    assert client.post("/v1/jobs", json=generating(11, 4, 13)).status_code == 202


def test_the_bombs_that_stopped_a_model_for_all_are_refused_by_default(limited: Any) -> None:
    client, tenant = limited()
    answer = client.post("/v1/jobs", json=generating(2048, 16, 12))
    assert answer.status_code == 202, answer.text
    body = generating(2048, 16, 12) | {"inputs": ["x"] * 2048}
    body["parameters"]["max_new_tokens"] = 32
    assert_exceeded(client.post("/v1/jobs", json=body), tenant, "max_tokens", DEFAULT, "inputs")


@pytest.mark.parametrize("prompt", ["x", ["x"]])
def test_other_apis_hear_of_their_own_fields(limited: Any, prompt: Any) -> None:
    client, tenant = limited(max_tokens=10)
    answer = client.post("/v1/completions", json={"model": GENERATOR, "prompt": prompt, "max_tokens": 11})
    assert_exceeded(answer, tenant, "max_tokens", "10", "prompt")
    assert "or set max_tokens lower" in answer.json()["error"]["message"]


def test_the_tokens_that_a_request_has_by_default_count(limited: Any) -> None:
    client, tenant = limited(max_tokens=5000)
    answer = client.post("/v1/generate", json={"model": GENERATOR, "inputs": ["x"] * 40})
    assert_exceeded(answer, tenant, "max_tokens", "5000", "inputs")
    assert "256 new tokens" in answer.json()["error"]["message"]
    assert "set parameters.max_new_tokens lower" in answer.json()["error"]["message"]


@pytest.mark.parametrize("text", ["x" * 2000, ["x" * 2000]])
def test_a_translation_hears_of_its_own_field(limited: Any, text: Any) -> None:
    client, _ = limited(max_bytes=2000)
    answer = client.post("/translate", json={"q": text, "source": "en", "target": "de"})
    assert (answer.status_code, answer.json()["error"].split()[:3]) == (400, ["q:", "The", "request"])


@pytest.mark.parametrize("name", ["deadline_s", "timeout_s", "ttl_s"])
def test_times_are_limited_exactly(limited: Any, name: str) -> None:
    client, tenant = limited(**{f"max_{name}": 30.0})
    assert client.post("/v1/jobs", json=embedding(**{name: 30})).status_code == 202
    assert_exceeded(client.post("/v1/jobs", json=embedding(**{name: 30.5})), tenant, f"max_{name}", "30", name)


def test_times_that_no_request_sets_keep_within_the_limits(limited: Any, deployment: Deployment) -> None:
    client, _ = limited(max_deadline_s=30.0, max_timeout_s=20.0, max_ttl_s=10.0)
    job = client.post("/v1/jobs", json=embedding()).json()
    record = deployment.store.client.hmget(
        f"triptych:job:{job['id']}", "created_at", "deadline_at", "timeout_s", "ttl_s"
    )
    created_at, deadline_at, timeout_s, ttl_s = map(float, record)
    assert (round(deadline_at - created_at, 3), timeout_s, ttl_s) == (30, 20, 10)


@pytest.mark.parametrize(
    ("lower", "body"),
    [
        ({"max_tokens": 50}, generating(1, 1, 60)),
        ({"max_ttl_s": 50.0}, embedding(ttl_s=60)),
        ({"max_bytes": 2000}, embedding(inputs="x" * 3000)),
    ],
)
def test_what_was_accepted_is_answered_with_its_job_after_limits_were_lowered(
    limited: Any, deployment: Deployment, lower: dict[str, Any], body: dict[str, Any]
) -> None:
    client, tenant = limited()
    key = {"Idempotency-Key": "once"}
    made = client.post("/v1/jobs", json=body, headers=key)
    assert made.status_code == 202
    deployment.limit(tenant, **lower)
    wait_until(lambda: client.post("/v1/jobs", json=body).status_code == 422, "the gateway applies the old limits")
    again = client.post("/v1/jobs", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, made.json()["id"])
    assert client.post("/v1/jobs", json={**body, "metadata": {"a": "b"}}, headers=key).json()["error"]["code"] == (
        "idempotency_mismatch"
    )
    for _ in range(2):
        answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "new"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "limit_exceeded")
    client.delete(f"/v1/jobs/{made.json()['id']}")
    # A purged job can't answer, so it is a new request.
    assert client.post("/v1/jobs", json=body, headers=key).json()["error"]["code"] == "limit_exceeded"


def test_a_request_that_alone_is_too_large_is_refused_for_good(limited: Any) -> None:
    client, tenant = limited(max_bytes=2000)
    assert client.post("/v1/jobs", json=embedding(inputs="x" * 800)).status_code == 202
    client.delete("/v1/jobs/" + client.get("/v1/jobs").json()["data"][0]["id"])
    assert_exceeded(client.post("/v1/jobs", json=embedding(inputs="x" * 1000)), tenant, "max_bytes", "2000", "inputs")
    assert client.get("/v1/jobs").json()["data"] == []


def test_what_a_tenant_holds_is_limited_with_429_and_others_go_on(limited: Any) -> None:
    """Many large bodies of one tenant, which used to fill the store for all."""
    client, tenant = limited(max_bytes=500_000)
    other, _ = limited()
    body = embedding(inputs=["y" * 1000] * 99)
    answers = [client.post("/v1/jobs", json=body) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 4
    error = answers[-1].json()["error"]
    assert error["code"] == "storage_quota_exceeded" and int(answers[-1].headers["Retry-After"]) > 0
    assert f"max_bytes is 500000 (set by 'keys limits --tenant {tenant}')" in error["message"]
    assert other.post("/v1/jobs", json=body).status_code == 202
    client.delete(f"/v1/jobs/{answers[0].json()['id']}")
    assert client.post("/v1/jobs", json=body).status_code == 202


def test_unfinished_jobs_are_limited_for_each_tenant(limited: Any) -> None:
    client, tenant = limited(max_active=2)
    answers = [client.post("/v1/jobs", json=embedding()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert f"max_active is 2 (set by 'keys limits --tenant {tenant}')" in answers[-1].text


def test_the_weight_of_a_tenant_goes_with_its_jobs(limited: Any, deployment: Deployment) -> None:
    client, _ = limited(weight=2.5)
    job_id = client.post("/v1/jobs", json=embedding()).json()["id"]
    assert float(deployment.store.client.hget(f"triptych:job:{job_id}", "weight") or 0) == 2.5
