"""OpenAI's completions and chat completions, driven by OpenAI's own library."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from contracts.errors import TriptychError
from contracts.generation import GenerateParameters
from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR, UNSERVED_GENERATOR, WORDS
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.streams import items_of

PROMPT = "say it"
REST = "".join(WORDS)
MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "assistant", "content": "Yes?", "refusal": None, "tool_calls": None},
    {"role": "user", "content": PROMPT, "name": "Ann"},
]
USAGE = (4, 7, 11)
GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "x"}]}),
    "completions": ("/v1/completions", {"model": GENERATOR, "prompt": "x"}),
}


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.gateway.url}/v1", api_key="not needed", max_retries=0) as client:
        yield client


def test_a_chat_is_answered_whole(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, temperature=None, stop=None, user="me")
    (choice,) = answer.choices
    assert (choice.index, choice.message.role, choice.message.content) == (0, "assistant", f"0:{PROMPT}{REST}")
    assert (choice.finish_reason, choice.logprobs, choice.message.refusal) == ("stop", None, None)
    assert answer.id.startswith("chatcmpl-") and answer.model == CHAT_MODEL and answer.created > 1_700_000_000
    assert answer.usage is not None and answer.system_fingerprint == "w1"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == USAGE


def test_a_chat_is_streamed(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert {delta.role for delta in deltas[1:]} == {None}
    assert "".join(delta.content or "" for delta in deltas) == f"0:{PROMPT}{REST}"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert {chunk.usage for chunk in chunks} == {None}


def test_several_answers_have_indices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} == {f"{i}:{PROMPT}{REST}" for i in range(3)}
    texts, ends = ["", "", ""], []
    for chunk in client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, n=3, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        ends += [chunk.choices[0].index] if chunk.choices[0].finish_reason else []
    assert texts == [f"{i}:{PROMPT}{REST}" for i in range(3)] and ends == [0, 1, 2]


def test_usage_comes_last_and_is_null_before(stack: Stack, client: openai.OpenAI, http: httpx.Client) -> None:
    options: Any = {"include_usage": True}
    *before, last = client.chat.completions.create(
        model=CHAT_MODEL, messages=MESSAGES, stream=True, stream_options=options
    )
    assert last.choices == [] and last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == USAGE
    assert {chunk.usage for chunk in before} == {None}
    body = {"model": GENERATOR, "prompt": PROMPT, "stream": True, "stream_options": options}
    with http.stream("POST", "/v1/completions", json=body) as answer:
        items = items_of(answer)
    assert items[-1]["data"] == "[DONE]" and items[-1]["id"]
    assert items[-2]["data"]["usage"]["total_tokens"] == 11
    assert all(item["data"]["usage"] is None for item in items[:-2])


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_logprobs(client: openai.OpenAI, streamed: bool) -> None:
    options: Any = {"model": CHAT_MODEL, "messages": MESSAGES, "logprobs": True, "top_logprobs": 2, "max_tokens": 4}
    if streamed:
        chunks = list(client.chat.completions.create(**options, stream=True))
        found = [one for c in chunks if c.choices[0].logprobs for one in c.choices[0].logprobs.content]
        assert chunks[-1].choices[0].finish_reason == "length"
    else:
        found = client.chat.completions.create(**options).choices[0].logprobs.content
    assert [token.logprob for token in found] == [-1.5, -3.0, -0.5, -0.5]
    assert [token.token for token in found] == ["start", "\ufffd", "\ufffd", " be"]
    assert found[3].bytes == list(b" be")
    assert [top.token for top in found[3].top_logprobs] == [" be", "x"]


def test_parameters_reach_the_task(stack: Stack, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=UNSERVED_GENERATOR, messages=MESSAGES, max_completion_tokens=9, temperature=0.5, top_p=0.25, seed=-7,
        stop=["a", "b"], presence_penalty=1, frequency_penalty=-1,
        extra_headers={"Prefer": "respond-async"},
        extra_body={"top_k": 4, "min_p": 0.1, "typical_p": 0.9, "repetition_penalty": 1.5, "truncate": "left"},
    )  # fmt: skip
    assert raw.status_code == 202
    job = raw.http_response.json()
    assert (job["object"], job["task"], job["status"]) == ("job", "generate", "queued")
    worker = ManualWorker(stack.store)
    assert worker.request["inputs"]["messages"][2] == {"role": "user", "content": PROMPT, "name": "Ann"}
    assert worker.parameters == GenerateParameters(
        max_new_tokens=9, do_sample=True, temperature=0.5, top_p=0.25, seed=-7, stop=["a", "b"], presence_penalty=1,
        frequency_penalty=-1, top_k=4, min_p=0.1, typical_p=0.9, repetition_penalty=1.5, truncate="left",
    )  # fmt: skip
    worker.fail(TriptychError())


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0, GenerateParameters(max_new_tokens=16, do_sample=False)),
        (None, GenerateParameters(max_new_tokens=16, do_sample=True, temperature=1.0, top_p=1.0, top_k=0)),
    ],
)
def test_the_defaults_are_those_of_openai(
    stack: Stack, http: httpx.Client, temperature: float | None, expected: GenerateParameters
) -> None:
    body = {"model": UNSERVED_GENERATOR, "prompt": PROMPT, "temperature": temperature}
    http.post("/v1/completions", json=body, headers={"Prefer": "respond-async"})
    worker = ManualWorker(stack.store)
    assert (worker.request["inputs"], worker.parameters) == ([PROMPT], expected)
    worker.fail(TriptychError())


def test_completions_of_several_prompts(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=GENERATOR, prompt=["one", "two"], n=2, max_tokens=40)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert {choice.text for choice in answer.choices[:2]} == {f"0:one{REST}", f"1:one{REST}"}
    assert {choice.text for choice in answer.choices[2:]} == {f"0:two{REST}", f"1:two{REST}"}
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    texts = [""] * 4
    for chunk in client.completions.create(model=GENERATOR, prompt=["one", "two"], n=2, max_tokens=40, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [f"0:one{REST}", f"1:one{REST}", f"0:two{REST}", f"1:two{REST}"]


def test_completions_have_sixteen_tokens_by_default(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=GENERATOR, prompt=PROMPT, logprobs=0)
    (choice,) = answer.choices
    assert choice.finish_reason == "length" and choice.logprobs is not None
    assert len(choice.logprobs.tokens or ()) == 16
    assert client.completions.create(model=GENERATOR, prompt=PROMPT, max_tokens=1).choices[0].text == f"0:{PROMPT}"


def test_a_stop_text_is_not_part_of_the_text(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=GENERATOR, prompt=PROMPT, stop=" be", max_tokens=40)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (f"0:{PROMPT}Tö", "stop")


@pytest.mark.parametrize("streamed", [False, True])
def test_echo_puts_the_prompt_before_the_text(client: openai.OpenAI, streamed: bool) -> None:
    options: Any = {
        "model": GENERATOR,
        "prompt": ["one", "two"],
        "echo": True,
        "max_tokens": 3,
        "stream": streamed,
    }
    texts = ["", ""]
    found: Any = client.completions.create(**options)
    for answer in found if streamed else [found]:
        for choice in answer.choices:
            texts[choice.index] += choice.text
    assert texts == ["one0:oneTö", "two0:twoTö"]


@pytest.mark.parametrize("streamed", [False, True])
def test_completion_logprobs(client: openai.OpenAI, streamed: bool) -> None:
    options: Any = {"model": GENERATOR, "prompt": PROMPT, "logprobs": 2, "max_tokens": 4, "stream": streamed}
    found: Any = client.completions.create(**options)
    parts = [choice.logprobs for one in (found if streamed else [found]) for choice in one.choices]
    tokens = [token for part in parts for token in part.tokens]
    assert tokens == ["start", "\ufffd", "\ufffd", " be"]
    assert [place for part in parts for place in part.text_offset] == [0, 5, 6, 7]
    assert [one for part in parts for one in part.top_logprobs][3] == {" be": -0.5, "x": -4.0}
    assert [one for part in parts for one in part.token_logprobs] == [-1.5, -3.0, -0.5, -0.5]


def test_the_library_understands_our_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="No model 'gpt-4o'"):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    with pytest.raises(openai.UnprocessableEntityError, match="prompt has 99 tokens") as caught:
        client.completions.create(model=GENERATOR, prompt="fail now", stream=True)
    assert (caught.value.param, caught.value.code) == ("prompt", "input_too_long")
    with pytest.raises(openai.UnprocessableEntityError, match="no template for conversations") as caught:
        client.chat.completions.create(model=GENERATOR, messages=MESSAGES)
    assert caught.value.param == "messages"


def test_a_wait_that_times_out_returns_the_job(stack: Stack, client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(
        model=UNSERVED_GENERATOR, prompt=PROMPT, extra_headers={"Prefer": "wait=0.1"}
    )
    assert (raw.status_code, raw.http_response.json()["status"]) == (202, "queued")
    ManualWorker(stack.store).fail(TriptychError())


def test_extreme_values_that_are_valid_are_accepted(client: openai.OpenAI) -> None:
    for options in ({"temperature": 0}, {"top_p": 0}, {"seed": 2**63 - 1}, {"seed": -(2**63)}, {"max_tokens": 64}):
        found: Any = client.completions.create(model=GENERATOR, prompt=" ", **options)  # type: ignore[call-overload]
        assert found.choices[0].text.startswith("0: ")


def test_the_same_request_gets_the_same_job_and_another_does_not(http: httpx.Client) -> None:
    for route, (path, good) in GOOD.items():
        headers = {"Idempotency-Key": f"writing {route}"}
        first = http.post(path, json=good, headers=headers)
        again = http.post(path, json={**good, "user": None}, headers=headers)
        assert first.json() == again.json()
        assert [answer.headers["Idempotent-Replayed"] for answer in (first, again)] == ["false", "true"]
        for change in ({"stream": True}, {"seed": 1}, {"n": 2}, {"user": "me"}):
            assert http.post(path, json={**good, **change}, headers=headers).status_code == 422


def test_a_replayed_request_gets_the_same_stream(http: httpx.Client) -> None:
    path, good = GOOD["chat"]
    emitted = []
    for _ in range(2):
        with http.stream("POST", path, json={**good, "stream": True}, headers={"Idempotency-Key": "again"}) as answer:
            emitted.append([item["data"] for item in items_of(answer)])
    assert emitted[0] == emitted[1]
