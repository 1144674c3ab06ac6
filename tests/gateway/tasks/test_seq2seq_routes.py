"""The routes of translate, summarize, denoise and text2text: whole and streamed outputs, and refused requests."""

from typing import Any

import httpx
import msgspec
import pytest

from contracts.errors import WorkerLost
from contracts.generation import TextDelta
from contracts.seq2seq import TranslateOutput
from tests.gateway.conftest import Stack
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.fakes.seq2seq import CORRECTOR, MANY_TRANSLATOR, TRANSLATOR, UNSERVED_TRANSLATOR, sentence_deltas
from tests.gateway.jobs.test_events import all_events
from tests.gateway.streams import Reader, items_of

TEXT = "The first one. Zwei 🎭!  And\n\nthe last"
SENTENCES = ["The first one. ", "Zwei 🎭!  ", "And\n\nthe last"]
TASKS = {
    "translate": ("translation_text", "".join(SENTENCES).upper()),
    "summarize": ("summary_text", SENTENCES[0]),
    "denoise": ("corrected_text", TEXT),
    "text2text": ("generated_text", TEXT[::-1]),
}


def stream(http: httpx.Client, task: str, **fields: Any) -> list[dict[str, Any]]:
    with http.stream("POST", f"/v1/{task}", json={"inputs": TEXT, "stream": True, **fields}) as answer:
        return items_of(answer)


@pytest.mark.parametrize("task", TASKS)
def test_the_output_has_the_shape_of_the_task(http: httpx.Client, task: str) -> None:
    name, expected = TASKS[task]
    one = http.post(f"/v1/{task}", json={"inputs": TEXT})
    edits = {"edits": []} if task == "denoise" else {}
    assert (one.status_code, one.json()) == (200, {name: expected, "finish_reason": "eos_token", **edits})
    many = http.post(f"/v1/{task}", json={"inputs": [TEXT, "x"]})
    assert many.json()[0][name] == expected and len(many.json()) == 2
    num_chunks = [None, None] if task == "text2text" else ["3", "4"]
    assert [answer.headers.get("X-Triptych-Chunks") for answer in (one, many)] == num_chunks
    usage = http.get(f"/v1/jobs/{many.headers['X-Triptych-Job-Id']}").json()["usage"]
    assert usage.get("chunks") == (None if task == "text2text" else 4)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("inputs", [TEXT, [TEXT]])
def test_a_text_is_streamed_and_the_whole_output_comes_last(http: httpx.Client, task: str, inputs: Any) -> None:
    name, expected = TASKS[task]
    items = stream(http, task, inputs=inputs)
    *deltas, last = [item["data"] for item in items]
    assert "".join(item["text"] for item in deltas) == expected == last["output"][name]
    assert all(set(item) == {"text"} and item["text"] for item in deltas) and set(last) == {"output"}
    assert last["output"] == http.post(f"/v1/{task}", json={"inputs": TEXT}).json()
    assert len(deltas) == (1 if task == "summarize" else len(deltas)) and all(item["id"] for item in items)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"inputs": ["one", "two"]}, "inputs"),
        (
            {"parameters": {"generate_parameters": {"num_beams": 2, "num_return_sequences": 2}}},
            "parameters.generate_parameters.num_return_sequences",
        ),
        ({"stream": "yes"}, "stream"),
        ({"inputs": " \n"}, "inputs"),
        ({"parameters": {"generate_parameters": {"num_beams": 1000}}}, "parameters.generate_parameters.num_beams"),
        ({"parameters": {"generate_parameters": {"min_length": 2, "max_length": 1}}}, "parameters.generate_parameters"),
    ],
)
def test_requests_that_cannot_be_streamed_are_refused_by_name(
    http: httpx.Client, task: str, fields: dict[str, Any], param: str
) -> None:
    answer = http.post(f"/v1/{task}", json={"inputs": TEXT, "stream": True, **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param), answer.text
    assert len(answer.json()["error"]["message"]) > 20


def test_several_answers_are_in_the_output(http: httpx.Client) -> None:
    parameters = {"generate_parameters": {"num_beams": 2, "num_return_sequences": 2}, "src_lang": "en"}
    answer = http.post("/v1/translate", json={"inputs": "a b", "parameters": parameters}).json()
    assert [one["translation_text"] for one in answer["sequences"]] == ["A B", "A B 1"]


def test_a_beam_search_may_stream_all_at_the_end(stack: Stack) -> None:
    body = {"inputs": TEXT, "model": UNSERVED_TRANSLATOR, "stream": True,
            "parameters": {"generate_parameters": {"num_beams": 4}}}  # fmt: skip
    reader = Reader(stack.gateway, "/v1/translate", body)
    worker = ManualWorker(stack.store)
    assert worker.parameters.generate_parameters.num_beams == 4
    output = TranslateOutput(text="All of it.", finish_reason="eos_token")
    worker.answer(output)
    assert [item["data"] for item in reader.end()] == [
        {"text": "All of it."}, {"output": msgspec.to_builtins(output)}
    ]  # fmt: skip


def test_chunks_of_a_lost_attempt_are_not_streamed_twice(stack: Stack) -> None:
    deltas = sentence_deltas("Eins. Zwei 🎭! Drei? Vier")
    reader = Reader(stack.gateway, "/v1/translate", {"inputs": TEXT, "model": UNSERVED_TRANSLATOR, "stream": True})
    worker = ManualWorker(stack.store)
    worker.emit(*deltas[:2])
    worker.lose_job()
    # The next attempt emits the first chunks in one delta.
    worker.emit(TextDelta(text="".join(delta.text for delta in deltas[:3])))
    worker.emit(deltas[3])
    worker.succeed(deltas)
    texts = [item["data"].get("text") for item in reader.end()]
    assert texts == [*(delta.text for delta in deltas), None]
    assert [comment for comment in reader.comments if comment.startswith("attempt 2")]
    assert reader.items[-1]["data"]["output"]["translation_text"] == "Eins. Zwei 🎭! Drei? Vier"


def test_a_stream_ends_with_an_error_if_its_job_fails(stack: Stack) -> None:
    reader = Reader(stack.gateway, "/v1/translate", {"inputs": TEXT, "model": UNSERVED_TRANSLATOR, "stream": True})
    worker = ManualWorker(stack.store)
    worker.emit(TextDelta(text="So far. "))
    worker.fail(WorkerLost())
    first, last = [item["data"] for item in reader.end()]
    assert first == {"text": "So far. "} and last["error_type"] == "worker_lost" and "ran alone" in last["error"]


def test_a_stream_can_be_resumed_at_the_events_of_its_job(http: httpx.Client) -> None:
    with http.stream("POST", "/v1/denoise", json={"inputs": TEXT, "stream": True}) as answer:
        job_id = answer.headers["X-Triptych-Job-Id"]
        items = items_of(answer)
    path = f"/v1/jobs/{job_id}/events"
    for seen in range(len(items) - 1):
        known = "".join(item["data"]["text"] for item in items[: seen + 1])
        events = all_events(http, path, headers={"Last-Event-ID": items[seen]["id"]})
        rest = [delta.get("text", "") for event in events[:-1] for delta in event["data"]["pieces"]]
        assert known + "".join(rest) == TEXT
        assert events[-1]["data"]["output"]["corrected_text"] == TEXT


def test_events_carry_the_deltas_of_each_of_several_texts(http: httpx.Client) -> None:
    body = {"task": "translate", "inputs": ["a. b", "c"], "stream": True}
    job = http.post("/v1/jobs", json=body).json()
    events = all_events(http, job["urls"]["events"])
    deltas = [delta for event in events if event["event"] == "output" for delta in event["data"]["pieces"]]
    texts = ["".join(one["text"] for one in deltas if one.get("input", 0) == index) for index in (0, 1)]
    assert texts == ["A. B", "C"] == [one["translation_text"] for one in events[-1]["data"]["output"]]


def test_the_same_request_with_and_without_stream_are_two_requests(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": "translate once"}
    body = {"inputs": TEXT, "stream": True}
    texts = []
    for _ in range(2):
        with http.stream("POST", "/v1/translate", json=body, headers=headers) as answer:
            texts.append([item["data"] for item in items_of(answer)])
    assert texts[0] == texts[1]
    assert http.post("/v1/translate", json={"inputs": TEXT}, headers=headers).status_code == 422


def test_models_list_their_languages(http: httpx.Client) -> None:
    card = http.get(f"/v1/models/{TRANSLATOR}").json()
    assert card["source_languages"] == {"en": "English"}
    assert card["target_languages"] == {"de": "German", "fr": "French"}
    assert http.get(f"/v1/models/{MANY_TRANSLATOR}").json()["source_languages"]["pt-BR"] == "Portuguese"
    assert http.get(f"/v1/models/{CORRECTOR}").json()["target_languages"] is None


def test_a_long_text_of_one_character_is_accepted(http: httpx.Client) -> None:
    text = "x" * 1_000_000
    for task in ("translate", "summarize", "denoise"):
        answer = http.post(f"/v1/{task}", json={"inputs": text})
        assert answer.status_code == 200 and answer.json()[TASKS[task][0]] in {text, text.upper()}
