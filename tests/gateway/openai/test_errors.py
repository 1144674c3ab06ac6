"""Fields of OpenAI's completions and chat completions that can't be honoured are refused by name."""

from typing import Any

import httpx
import pytest

from tests.gateway.openai.test_generation import GOOD

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"messages": []}, "messages"),
    ("chat", {"messages": "hello"}, "messages"),
    ("chat", {"messages": None}, "messages"),
    ("chat", {"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ("chat", {"messages": [{"role": "function", "content": "x", "name": "f"}]}, "messages[0].role"),
    ("chat", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("chat", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    (
        "chat",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].type",
    ),
    ("chat", {"messages": [{"role": "user", "content": "x", "tool_calls": []}]}, "messages[0].tool_calls"),
    ("chat", {"messages": [{"role": "user", "content": "x"}] * 1025}, "messages"),
    ("chat", {"max_completion_tokens": 0}, "max_completion_tokens"),
    ("chat", {"max_completion_tokens": 65}, "max_completion_tokens"),
    ("chat", {"max_tokens": 65}, "max_tokens"),
    ("chat", {"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
    ("chat", {"top_logprobs": 3}, "top_logprobs"),
    ("chat", {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ("chat", {"logprobs": 1}, "logprobs"),
    ("chat", {"tools": [{"type": "function"}]}, "tools"),
    ("chat", {"response_format": {"type": "json_object"}}, "response_format"),
    ("completions", {"prompt": [1, 2]}, "prompt"),
    ("completions", {"prompt": [[1], [2]]}, "prompt"),
    ("completions", {"prompt": ""}, "prompt"),
    ("completions", {"prompt": ["x", ""]}, "prompt[1]"),
    ("completions", {"prompt": None}, "prompt"),
    ("completions", {"prompt": []}, "prompt"),
    ("completions", {"max_tokens": 0}, "max_tokens"),
    ("completions", {"max_tokens": -1}, "max_tokens"),
    ("completions", {"max_tokens": 65}, "max_tokens"),
    ("completions", {"max_tokens": 10**12}, "max_tokens"),
    ("completions", {"best_of": 1, "n": 2}, "best_of"),
    ("completions", {"best_of": 2, "stream": True}, "best_of"),
    ("completions", {"echo": True, "logprobs": 1}, "echo"),
    ("completions", {"logprobs": 6}, "logprobs"),
    ("completions", {"suffix": "x"}, "suffix"),
    ("both", {"model": None}, "model"),
    ("both", {"temperature": -0.1}, "temperature"),
    ("both", {"temperature": 1e9}, "temperature"),
    ("both", {"temperature": "hot"}, "temperature"),
    ("both", {"top_p": 1.1}, "top_p"),
    ("both", {"n": 0}, "n"),
    ("both", {"n": 17}, "n"),
    ("both", {"stop": ["x"] * 1000}, "stop"),
    ("both", {"stop": ""}, "stop"),
    ("both", {"stop": ["x", ""]}, "stop[1]"),
    ("both", {"stop": "x" * 257}, "stop"),
    ("both", {"seed": 0.5}, "seed"),
    ("both", {"presence_penalty": 3}, "presence_penalty"),
    ("both", {"frequency_penalty": -3}, "frequency_penalty"),
    ("both", {"stream": "yes"}, "stream"),
    ("both", {"stream_options": {"include_usage": True}}, "stream_options"),
    ("both", {"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
    ("both", {"top_k": -1}, "top_k"),
    ("both", {"repetition_penalty": 0}, "repetition_penalty"),
    ("both", {"logit_bias": {"5": 1}}, "logit_bias"),
    ("both", {"inputs": "x"}, "inputs"),
]


@pytest.mark.parametrize(("route", "fields", "param"), BAD, ids=lambda value: str(value)[:40])
def test_fields_that_cannot_be_honoured_are_refused_by_name(
    http: httpx.Client, route: str, fields: dict[str, Any], param: str
) -> None:
    for path, good in GOOD.values() if route == "both" else [GOOD[route]]:
        answer = http.post(path, json={**good, **fields})
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, param), answer.text


@pytest.mark.parametrize("raw", ['{"temperature": NaN}', '{"seed": 18446744073709551616}', '{"top_p": Infinity}'])
def test_nan_infinity_and_large_integers_are_refused(http: httpx.Client, raw: str) -> None:
    for path, _ in GOOD.values():
        answer = http.post(path, content=raw, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_body")
