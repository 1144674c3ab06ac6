"""Headers by which proxies say what they saw: nothing here asks for them, so they change nothing and break nothing."""

import httpx
import pytest

FORWARDED = [
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Protocol": "http"},
    {"X-Forwarded-Protocol": "ssl", "X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "on"},
    {"X-Forwarded-Proto": "https, http"},
    {"X-Forwarded-For": "203.0.113.7, 10.0.0.1", "X-Forwarded-Host": "example.org", "X-Forwarded-Port": "443"},
    {"Forwarded": "for=203.0.113.7;proto=https;host=example.org"},
    {"SCRIPT_NAME": "/v1", "PATH_INFO": "/v1/jobs"},
    {"Script-Name": "/v1"},
    {"REMOTE_USER": "somebody", "X_FORWARDED_PROTO": "https"},
]


@pytest.mark.parametrize("fields", FORWARDED, ids=" ".join)
def test_what_a_proxy_says_changes_no_answer(http: httpx.Client, fields: dict[str, str]) -> None:
    expected, found = http.get("/v1/models"), http.get("/v1/models", headers=fields)
    assert (found.status_code, found.json()) == (expected.status_code, expected.json()) and found.status_code == 200
    submitted = http.post("/v1/jobs", json={"task": "embed", "inputs": "x"}, headers=fields)
    assert submitted.status_code == 202
    assert submitted.headers["Location"].startswith("/v1/jobs/"), "relative, so that it is right behind any proxy"


def test_a_field_with_an_underscore_does_not_stand_for_one_with_a_hyphen(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json={"task": "embed", "inputs": "x"}, headers={"Idempotency_Key": "x" * 3000})
    assert answer.status_code == 202
