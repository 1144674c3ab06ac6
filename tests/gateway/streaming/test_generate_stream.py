"""The generate route, whole and streamed in TGI's format, and the events of streamed jobs."""

import threading
from typing import Any

import httpx
import msgspec
import pytest

from contracts.errors import InputTooLong
from services.gateway.http.validation import check
from services.gateway.jobs.submission import JOB_BODIES, TASK_BODIES
from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR, UNSERVED_GENERATOR, WORDS
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.jobs.test_events import all_events
from tests.gateway.streams import each_item, items_of
from tests.support.waiting import PATIENCE_S, wait_until

PROMPT = "say it"
TEXT = f"0:{PROMPT}" + "".join(WORDS)
CHAT = {"messages": [{"role": "user", "content": PROMPT}]}


def stream(http: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    body = {"inputs": PROMPT, "model": GENERATOR, "stream": True, **fields}
    with http.stream("POST", "/v1/generate", json=body) as answer:
        return items_of(answer)


def test_without_stream_the_response_is_the_whole_text(http: httpx.Client) -> None:
    answer = http.post("/v1/generate", json={"inputs": PROMPT, "model": GENERATOR})
    assert (answer.status_code, answer.json()) == (200, {"generated_text": TEXT, "finish_reason": "eos_token"})
    assert (answer.headers["X-Triptych-Tokens-In"], answer.headers["X-Triptych-Tokens-Used"]) == ("5", "4")
    chat = http.post("/v1/generate", json={"inputs": [CHAT, "x"], "model": CHAT_MODEL, "stream": False})
    assert [one["generated_text"][:8] for one in chat.json()] == [f"0:{PROMPT}", "0:xTö be"]


def test_the_texts_of_the_items_add_up_to_the_text(http: httpx.Client) -> None:
    items = stream(http)
    data = [item["data"] for item in items]
    assert "".join(item["token"]["text"] for item in data) == TEXT
    assert [item["index"] for item in data] == list(range(1, len(data) + 1))
    assert [item["generated_text"] for item in data] == [None] * (len(data) - 1) + [TEXT]
    assert {item["details"] for item in data} == {None}
    assert all("top_tokens" not in item for item in data)
    assert [item["token"]["special"] for item in data] == [False] * (len(data) - 1) + [True]
    assert all(item["id"] for item in items)


def test_details_come_with_the_last_item_and_top_tokens_with_each(http: httpx.Client) -> None:
    parameters = {"details": True, "top_n_tokens": 2, "seed": 5, "max_new_tokens": 4}
    data = [item["data"] for item in stream(http, parameters=parameters)]
    assert data[-1]["details"] == {"finish_reason": "length", "generated_tokens": 4, "seed": 5}
    assert all(len(item["top_tokens"]) == 2 for item in data)
    assert len(data) == 4


def test_a_stop_text_ends_the_text_before_it(http: httpx.Client) -> None:
    data = [item["data"] for item in stream(http, parameters={"stop": [" or"]})]
    assert data[-1]["generated_text"] == TEXT[: TEXT.index(" or")]


def test_the_full_text_of_the_last_item_includes_the_prompt(http: httpx.Client) -> None:
    data = [item["data"] for item in stream(http, inputs=[PROMPT], parameters={"return_full_text": True})]
    assert "".join(item["token"]["text"] for item in data) == TEXT
    assert data[-1]["generated_text"] == PROMPT + TEXT


def test_a_conversation_is_streamed(http: httpx.Client) -> None:
    assert stream(http, inputs=CHAT, model=CHAT_MODEL)[-1]["data"]["generated_text"] == TEXT


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"inputs": ["one", "two"]}, "inputs"),
        ({"parameters": {"n": 2}}, "parameters.n"),
        ({"parameters": {"best_of": 2}}, "parameters.best_of"),
        (
            {"inputs": CHAT, "model": CHAT_MODEL, "parameters": {"return_full_text": True}},
            "parameters.return_full_text",
        ),
        ({"inputs": CHAT}, "inputs"),
        ({"inputs": ["x", CHAT], "stream": False}, "inputs[1]"),
        ({"parameters": {"max_new_tokens": 65}}, "parameters.max_new_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream": None}, "stream"),
    ],
)
def test_contradictions_are_refused_by_name(http: httpx.Client, fields: dict[str, Any], param: str) -> None:
    answer = http.post("/v1/generate", json={"inputs": PROMPT, "model": GENERATOR, "stream": True, **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


def test_a_blank_prompt_is_accepted_and_an_empty_one_refused(http: httpx.Client) -> None:
    assert http.post("/v1/generate", json={"inputs": " \n", "model": GENERATOR}).status_code == 200
    assert http.post("/v1/generate", json={"inputs": "", "model": GENERATOR}).json()["error"]["param"] == "inputs"


def test_only_tasks_that_stream_have_the_field(http: httpx.Client) -> None:
    for path in ("/v1/embed", "/v1/classify"):
        assert http.post(path, json={"inputs": "x", "stream": True}).json()["error"]["param"] == "stream"
    for bodies in (TASK_BODIES, JOB_BODIES):
        streaming = {name for name, kind in bodies.items() if "stream" in kind.__struct_fields__}
        assert streaming == set(bodies) - {"embed", "classify"}
    assert check({"inputs": "x", "stream": True}, TASK_BODIES["generate"]).stream  # type: ignore[attr-defined]


def test_a_job_that_fails_before_the_first_delta_is_no_stream(stack: Stack, http: httpx.Client) -> None:
    body = {"inputs": "fail now", "model": GENERATOR, "stream": True}
    answer = http.post("/v1/generate", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "input_too_long")
    expired = http.post("/v1/generate", json={**body, "model": UNSERVED_GENERATOR, "deadline_s": 0.2})
    assert (expired.status_code, expired.json()["error"]["code"]) == (504, "job_expired")


def test_the_prefer_header_asks_for_the_job_or_limits_the_wait_for_a_delta(http: httpx.Client) -> None:
    body = {"inputs": PROMPT, "model": UNSERVED_GENERATOR, "stream": True}
    for prefer in ("respond-async", "wait=0.1"):
        answer = http.post("/v1/generate", json=body, headers={"Prefer": prefer})
        assert (answer.status_code, answer.json()["object"]) == (202, "job")
        assert http.post(f"{answer.headers['Location']}/cancel").json()["status"] == "cancelled"
    served = http.post("/v1/generate", json={**body, "model": GENERATOR}, headers={"Prefer": "wait=20"})
    assert (served.status_code, served.headers["Preference-Applied"]) == (200, "wait=20")


def test_a_broken_stream_can_be_resumed_at_the_events_of_its_job(http: httpx.Client) -> None:
    body = {
        "inputs": PROMPT,
        "model": GENERATOR,
        "stream": True,
        "parameters": {"top_n_tokens": 1, "details": True},
    }
    with http.stream("POST", "/v1/generate", json=body) as answer:
        job_id = answer.headers["X-Triptych-Job-Id"]
        items = items_of(answer)
    path = f"/v1/jobs/{job_id}/events"
    for seen in (0, 3, len(items) - 2):
        known = "".join(item["data"]["token"]["text"] for item in items[: seen + 1])
        events = all_events(http, path, headers={"Last-Event-ID": items[seen]["id"]})
        rest = [delta.get("text", "") for event in events[:-1] for delta in event["data"]["pieces"]]
        assert known + "".join(rest) == TEXT
        assert {event["event"] for event in events[:-1]} == {"output"}
        assert events[-1]["data"]["output"]["generated_text"] == TEXT
    assert http.get(path, headers={"Last-Event-ID": items[-1]["id"]}).status_code == 204


def test_job_events_carry_the_deltas_of_each_attempt(stack: Stack, http: httpx.Client) -> None:
    body = {"task": "generate", "inputs": PROMPT, "model": UNSERVED_GENERATOR, "stream": True}
    job = http.post("/v1/jobs", json=body).json()
    worker = ManualWorker(stack.store)
    assert worker.request["stream"] is True
    deltas = worker.deltas(PROMPT)
    worker.emit(*deltas[:2])
    worker.lose_job()
    for delta in deltas:
        worker.emit(delta)
    worker.succeed(deltas)
    events = all_events(http, job["urls"]["events"])
    assert [event["event"] for event in events] == [
        *("queued", "started", "output", "queued", "started", *["output"] * len(deltas), "succeeded")
    ]
    assert [event["data"]["attempt"] for event in events[1:5]] == [1, 1, 1, 2]
    assert events[2]["data"]["pieces"] == msgspec.to_builtins(deltas[:2])


def test_a_job_that_does_not_stream_has_no_stream_field(stack: Stack, http: httpx.Client) -> None:
    for fields in ({}, {"stream": False}):
        http.post("/v1/jobs", json={"task": "generate", "inputs": PROMPT, "model": UNSERVED_GENERATOR, **fields})
        worker = ManualWorker(stack.store)
        assert set(worker.request) == {"inputs", "parameters"}
        worker.fail(InputTooLong("x"))


def test_items_arrive_while_the_text_is_generated(stack: Stack, http: httpx.Client) -> None:
    body = {"inputs": PROMPT, "model": UNSERVED_GENERATOR, "stream": True}
    opened = []

    def open_stream() -> None:
        with (
            httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client,
            client.stream("POST", "/v1/generate", json=body) as answer,
        ):
            for item in each_item(answer):
                opened.append(item)

    reader = threading.Thread(target=open_stream)
    reader.start()
    worker = ManualWorker(stack.store)
    deltas = worker.deltas(PROMPT)
    for number, delta in enumerate(deltas[:-1], 1):
        worker.emit(delta)
        wait_until(lambda number=number: len(opened) == number, "the item did not arrive")  # type: ignore[misc]
    worker.emit(deltas[-1])
    worker.succeed(deltas)
    reader.join(PATIENCE_S)
    assert opened[-1]["data"]["generated_text"] == TEXT
