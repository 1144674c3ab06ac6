"""Rates over HTTP: 429 with an exact `Retry-After`, and the headers of draft-ietf-httpapi-ratelimit-headers-11."""

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR
from tests.gateway.fakes.worker import EMBED, UNSERVED

ITEM = re.compile(r'"(?P<name>[a-z-]+)"(?P<parameters>(;[a-z]+=("[a-z-]+"|\d+))+)')
BODY = {"task": "embed", "model": UNSERVED, "inputs": "x"}


def parsed(header: str) -> dict[str, dict[str, int | str]]:
    """Return the items of a list of structured fields, whose names are texts."""
    found: dict[str, dict[str, int | str]] = {}
    for text in header.split(", "):
        item = ITEM.fullmatch(text)
        assert item, header
        pairs = (pair.split("=") for pair in item["parameters"].strip(";").split(";"))
        found[item["name"]] = {name: value.strip('"') if '"' in value else int(value) for name, value in pairs}
    return found


def rates_of(answer: httpx.Response) -> tuple[Any, Any]:
    """Return the policies of an answer, and what is left of them."""
    return parsed(answer.headers["RateLimit-Policy"]), parsed(answer.headers["RateLimit"])


@pytest.fixture
def rated(client_of: Any) -> Callable[..., httpx.Client]:
    """Return a client of a new tenant, with limits and with rates of its key."""
    return lambda limits, **rates: client_of(limits, **rates)[0]


def test_what_is_left_is_told_with_each_answer_and_nothing_more_is_accepted(rated: Any) -> None:
    client = rated({"requests_per_minute": 3})
    for left in (2, 1, 0):
        answer = client.post("/v1/jobs", json=BODY)
        assert answer.status_code == 202
        policies, states = rates_of(answer)
        assert policies == {"requests": {"q": 3, "w": 60}}
        assert states["requests"]["r"] == left
        assert states["requests"]["t"] in ({0: range(10, 21), 1: range(30, 41), 2: range(10, 21)}[left])
    refused = client.post("/v1/jobs", json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert "requests_per_minute of your tenant is 3 (set by 'keys limits --tenant tenant" in refused.text
    _, states = rates_of(refused)
    assert states["requests"]["r"] == 0 and states["requests"]["t"] == int(refused.headers["Retry-After"])
    assert client.get("/v1/jobs").status_code == 200, "reading costs nothing"
    assert len(client.get("/v1/jobs").json()["data"]) == 3


def test_after_retry_after_the_request_is_accepted(rated: Any) -> None:
    client = rated({"requests_per_minute": 30})
    refused = next(filter(lambda one: one.status_code == 429, (client.post("/v1/jobs", json=BODY) for _ in range(99))))
    wait_s = int(refused.headers["Retry-After"])
    assert 1 <= wait_s <= 3
    time.sleep(wait_s)
    assert client.post("/v1/jobs", json=BODY).status_code == 202


def test_the_rates_of_a_key_and_of_its_tenant_both_hold(rated: Any) -> None:
    client = rated({"requests_per_minute": 100, "work_per_minute": 500}, requests_per_minute=1, work_per_minute=7)
    answer = client.post("/v1/jobs", json=BODY)
    policies, states = rates_of(answer)
    assert policies == {
        "requests": {"q": 100, "w": 60},
        "work": {"q": 500, "w": 60, "qu": "work-seconds"},
        "key-requests": {"q": 1, "w": 60},
        "key-work": {"q": 7, "w": 60, "qu": "work-seconds"},
    }
    assert {name: state["r"] for name, state in states.items()} == {
        "requests": 99, "work": 500, "key-requests": 0, "key-work": 7,
    }  # fmt: skip
    refused = client.post("/v1/jobs", json=BODY)
    assert refused.status_code == 429 and "of your key is 1 (set by 'keys limits --key" in refused.text


def test_answers_that_never_came_to_the_store_tell_the_rates_too(rated: Any) -> None:
    client = rated({"requests_per_minute": 5})
    client.post("/v1/jobs", json=BODY)
    for answer in (
        client.post("/v1/jobs", json=BODY | {"inputs": 7}),
        client.post("/v1/jobs", json=BODY | {"model": "nobody-knows"}),
        client.post("/v1/jobs", content=b"{", headers={"Content-Type": "application/json"}),
        client.post("/v1/jobs", json=BODY | {"deadline_s": 0}),
    ):
        assert answer.status_code in {400, 404, 422}
        _, states = rates_of(answer)
        assert states["requests"]["r"] == 4, "a refused request costs nothing"


def test_a_replay_costs_nothing(rated: Any) -> None:
    client = rated({"requests_per_minute": 2})
    for replayed in ("false", "true", "true", "true"):
        answer = client.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": "one"})
        assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (202, replayed)
        assert rates_of(answer)[1]["requests"]["r"] == 1


def test_without_rates_there_are_no_headers(rated: Any) -> None:
    answer = rated({}).post("/v1/jobs", json=BODY)
    assert answer.status_code == 202
    assert not {"RateLimit", "RateLimit-Policy"} & {name.title() for name in answer.headers}
    assert "ratelimit" not in answer.headers and "ratelimit-policy" not in answer.headers


CHAT = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "hi"}]}
DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "job": ("/v1/jobs", {"json": BODY}),
    "task": ("/v1/embed", {"json": {"inputs": "x", "model": EMBED}}),
    "stream of a task": ("/v1/generate", {"json": {"inputs": "x", "model": GENERATOR, "stream": True}}),
    "embeddings": ("/v1/embeddings", {"json": {"input": "x", "model": EMBED}}),
    "completions": ("/v1/completions", {"json": {"prompt": "x", "model": GENERATOR}}),
    "chat": ("/v1/chat/completions", {"json": CHAT}),
    "stream of a chat": ("/v1/chat/completions", {"json": CHAT | {"stream": True}}),
    "LibreTranslate": ("/translate", {"json": {"q": "x", "source": "en", "target": "de"}}),
    "LanguageTool": ("/v2/check", {"data": {"text": "x", "language": "en-US"}}),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_has_the_rates_and_their_headers(rated: Any, name: str) -> None:
    client = rated({"requests_per_minute": 1})
    path, body = DIALECTS[name]
    answer = client.post(path, **body)
    assert answer.status_code in {200, 202}, answer.text
    assert rates_of(answer)[1]["requests"]["r"] == 0
    refused = client.post(path, **body)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) in range(50, 61)
    assert rates_of(refused)[1]["requests"]["r"] == 0
