"""The task routes and OpenAI's: the formats of their responses, the Prefer header, and jobs that do not succeed."""

import base64
import struct
import threading
from typing import Any

import httpx
import openai
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import CARDS, CLASSIFY, EMBED, UNSERVED
from tests.support.waiting import PATIENCE_S, wait_until


def test_one_input_is_answered_by_one_output_and_a_list_by_a_list(http: httpx.Client) -> None:
    one = http.post("/v1/embed", json={"inputs": "two words"})
    assert (one.status_code, one.json()) == (200, [2.0, 0.5, -0.25, 0.1])
    assert (one.headers["X-Triptych-Tokens-In"], one.headers["X-Triptych-Tokens-Used"]) == ("3", "2")
    job = http.get(f"/v1/jobs/{one.headers['X-Triptych-Job-Id']}").json()
    assert (job["task"], job["output"]) == ("embed", one.json())
    many = http.post("/v1/embed", json={"inputs": ["one", "two words"], "parameters": {"normalize": True}})
    assert [vector[0] for vector in many.json()] == [1.0, 2.0]
    pair = {"text": "a premise", "text_pair": "a claim"}
    assert http.post("/v1/classify", json={"inputs": pair}).json()[0] == {"label": "good", "score": 0.75}
    assert len(http.post("/v1/classify", json={"inputs": [pair, "a text"]}).json()) == 2


@pytest.mark.parametrize(
    ("prefer", "status", "applied"),
    [
        ("respond-async", 202, "respond-async"),
        ("respond-async, wait=20", 200, "respond-async, wait=20"),
        ("wait=20", 200, "wait=20"),
        ("wait=0", 202, "wait=0"),
        ("wait=86400", 200, "wait=60"),
        ("WAIT=20; foo=bar, Respond-Async", 200, "respond-async, wait=20"),
        ('wait="20"', 200, "wait=20"),
        ("wait=soon", 200, None),
        ("handling=lenient", 200, None),
        ("", 200, None),
    ],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/embed", {"inputs": "text"}), ("/v1/embeddings", {"model": EMBED, "input": "text"})],
)
def test_the_prefer_header(
    http: httpx.Client, path: str, body: dict[str, Any], prefer: str, status: int, applied: str | None
) -> None:
    answer = http.post(path, json=body, headers={"Prefer": prefer})
    assert answer.status_code == status, answer.text
    assert answer.headers.get("Preference-Applied") == applied
    assert (answer.headers.get("Location") is not None) == (status == 202)


def test_a_short_wait_returns_the_job(http: httpx.Client) -> None:
    answer = http.post("/v1/embed", json={"inputs": "x", "model": UNSERVED}, headers={"Prefer": "wait=0.1"})
    assert (answer.status_code, answer.json()["object"], answer.json()["status"]) == (202, "job", "queued")


def test_a_job_that_fails_is_answered_with_its_error(http: httpx.Client) -> None:
    for path, field in (("/v1/embed", "inputs"), ("/v1/embeddings", "input")):
        answer = http.post(path, json={field: "fail now", "model": EMBED})
        assert answer.status_code == 422
        error = answer.json()["error"]
        place = {"inputs": "inputs[0]", "input": "input"}[field]
        assert (error["code"], error["param"], error["type"]) == ("input_too_long", place, "invalid_request_error")


def test_a_job_that_expires_or_is_cancelled_has_its_own_status(stack: Stack, http: httpx.Client) -> None:
    answer = http.post("/v1/embed", json={"inputs": "x", "model": UNSERVED, "deadline_s": 0.2})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "job_expired")
    body = {"inputs": "x", "model": UNSERVED, "metadata": {"to": "be cancelled"}}

    def cancel() -> None:
        with httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client:
            job = wait_until(lambda: _with_metadata(client, body["metadata"]), "no job")
            client.post(job["urls"]["cancel"])

    canceller = threading.Thread(target=cancel)
    canceller.start()
    answer = http.post("/v1/embed", json=body)
    canceller.join()
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "job_cancelled")


def _with_metadata(client: httpx.Client, metadata: object) -> Any:
    jobs = client.get("/v1/jobs").json()["data"]
    return next((job for job in jobs if job["metadata"] == metadata), None)


def test_a_model_must_exist_and_be_for_the_task(http: httpx.Client) -> None:
    for model in ("nobody", CLASSIFY):
        answer = http.post("/v1/embed", json={"inputs": "x", "model": model})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_model")
        assert answer.json()["error"]["param"] == "model"
    answer = http.post("/v1/embed", json={"inputs": "x", "parameters": {"dimensions": 5}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "parameters.dimensions")


def test_models_and_workers_are_listed(http: httpx.Client) -> None:
    models = http.get("/v1/models").json()
    assert models["object"] == "list"
    assert [model["id"] for model in models["data"]] == sorted(card.name for card in CARDS)
    card = http.get(f"/v1/models/{CLASSIFY}").json()
    assert (card["object"], card["task"], card["labels"]) == ("model", "classify", ["good", "bad"])
    assert http.get("/v1/models/nobody").json()["error"]["code"] == "unknown_model"
    assert http.get("/v1/workers").json() == {"object": "list", "data": []}


@pytest.fixture
def openai_client(stack: Stack) -> Any:
    with openai.OpenAI(base_url=f"{stack.gateway.url}/v1", api_key="not needed", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("texts", ["two words", ["one", "two words", "and three words"]])
def test_the_openai_library_works_unchanged(openai_client: openai.OpenAI, texts: Any) -> None:
    expected = [[float(len(text.split())), 0.5, -0.25, 0.1] for text in ([texts] if isinstance(texts, str) else texts)]
    # Without a format the library asks for base64 and decodes float32.
    packed = openai_client.embeddings.create(model=EMBED, input=texts)
    plain = openai_client.embeddings.create(model=EMBED, input=texts, encoding_format="float", user="someone")
    for row, found, wanted in zip(packed.data, plain.data, expected, strict=True):
        assert found.embedding == wanted
        assert row.embedding == pytest.approx(wanted, rel=1e-6)
    assert [row.index for row in plain.data] == list(range(len(expected)))
    assert (plain.model, plain.usage.prompt_tokens, plain.usage.total_tokens) == (
        EMBED,
        2 * len(expected),
        2 * len(expected),
    )
    assert {model.id for model in openai_client.models.list()} >= {EMBED, CLASSIFY}


def test_the_openai_library_understands_our_errors(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="No model 'text-embedding-3-small'"):
        openai_client.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.UnprocessableEntityError, match="send the text itself") as caught:
        openai_client.embeddings.create(model=EMBED, input=[[1, 2, 3]])
    assert (caught.value.param, caught.value.code) == ("input", "invalid_request")


def test_base64_is_little_endian_float32(http: httpx.Client) -> None:
    answer = http.post("/v1/embeddings", json={"model": EMBED, "input": "a b", "encoding_format": "base64"}).json()
    assert struct.unpack("<4f", base64.b64decode(answer["data"][0]["embedding"])) == pytest.approx(
        (2.0, 0.5, -0.25, 0.1)
    )
    assert answer["object"] == "list" and answer["data"][0]["object"] == "embedding"
