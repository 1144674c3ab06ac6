"""Hostile requests are refused or answered correctly, and concurrent streams keep their texts."""

import json
import threading
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import httpx

from tests.faults.faulty_decoder import MODEL
from tests.faults.generating_fleet import GeneratingFleet
from tests.faults.stream_clients import RawChat, chat
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE_S

NUM_HOSTILE_CLIENTS = 4
GENERATE, CHAT, COMPLETION = "/v1/generate", "/v1/chat/completions", "/v1/completions"
PROMPT = "The moon"
MESSAGES = [{"role": "user", "content": PROMPT}]
GREEDY = {"do_sample": False, "max_new_tokens": 40}
GOOD = [chat(f"Tell me of {number}", temperature=0.0, max_tokens=150) for number in range(2)] + [
    chat(f"Tell me of {number}", temperature=2.0 + number, seed=number, max_tokens=200) for number in range(6)
]
NO_NUMBER = b'{"model": "%b", "inputs": "x", "parameters": {"temperature": %b}}'

FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "no new tokens": (GENERATE, {"parameters": {"max_new_tokens": 0}}),
    "negative new tokens": (CHAT, {"max_tokens": -1}),
    "a billion new tokens": (COMPLETION, {"max_tokens": 10**9}),
    "more than there is room for": (GENERATE, {"parameters": {"max_new_tokens": 256}}),
    "a prompt of thousands": (GENERATE, {"inputs": "moon " * 2000}),
    "a prompt of a million": (COMPLETION, {"prompt": "moon" * 250_000}),
    "a conversation too long": (CHAT, {"messages": MESSAGES * 200}),
    "ten thousand messages": (CHAT, {"messages": MESSAGES * 10_000}),
    "no messages": (CHAT, {"messages": []}),
    "an unknown role": (CHAT, {"messages": [{"role": "robot", "content": "x"}]}),
    "a role the template does not know": (CHAT, {"messages": [*MESSAGES, {"role": "tool", "content": "x"}]}),
    "a thousand stop strings": (CHAT, {"stop": [f"stop {number}" for number in range(1000)]}),
    "an enormous temperature": (COMPLETION, {"temperature": 1e9}),
    "a seed of 65 bits": (CHAT, {"seed": 2**64}),
}
RAW: dict[str, tuple[str, bytes]] = {
    "NaN": (GENERATE, NO_NUMBER % (MODEL.encode(), b"NaN")),
    "infinity": (GENERATE, NO_NUMBER % (MODEL.encode(), b"1e999")),
    "half a character": (COMPLETION, b'{"model": "%b", "prompt": "moon \\ud83c"}' % MODEL.encode()),
    "the other half": (GENERATE, b'{"model": "%b", "inputs": "\\udf19 moon"}' % MODEL.encode()),
}
BODIES: dict[str, dict[str, Any]] = {
    GENERATE: {"model": MODEL, "inputs": PROMPT},
    CHAT: {"model": MODEL, "messages": MESSAGES},
    COMPLETION: {"model": MODEL, "prompt": PROMPT},
}


def each_bad_request() -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, the path and the body of each bad request, with and without streaming."""
    for name, (path, fields) in FIELDS.items():
        for stream in (False, True):
            yield f"{name}, {stream}", path, json.dumps({**BODIES[path], **fields, "stream": stream}).encode()
    for name, (path, raw) in RAW.items():
        yield name, path, raw


class HostileClient(threading.Thread):
    """Sends every bad request, again and again until ``enough`` is set."""

    def __init__(self, gateway: GatewayProcess) -> None:
        super().__init__(daemon=True)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.enough = threading.Event()
        self._url = gateway.url
        self.start()

    def run(self) -> None:
        requests = list(each_bad_request())
        with httpx.Client(
            base_url=self._url, timeout=PATIENCE_S, headers={"Content-Type": "application/json"}
        ) as client:
            for number, (name, path, body) in enumerate(cycle(requests)):
                if number >= len(requests) and self.enough.is_set():
                    return
                answer = client.post(path, content=body)
                self.answers[name] = answer.status_code, answer.json()["error"]


def streamed_texts(gateway: GatewayProcess) -> list[str]:
    """Return the texts of the good streams, which run at the same time."""
    clients = [RawChat(gateway, body) for body in GOOD]
    for client in clients:
        client.end()
        assert client.last == "[DONE]", client.last
    return [client.text for client in clients]


def generated(gateway: GatewayProcess, **parameters: Any) -> dict[str, Any]:
    """Return the output for the prompt."""
    answer = httpx.post(
        f"{gateway.url}{GENERATE}",
        json={**BODIES[GENERATE], "parameters": {**GREEDY, **parameters}},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    output: dict[str, Any] = found[0] if isinstance(found, list) else found
    return output


def assert_right_texts(gateway: GatewayProcess) -> None:
    """Assert that extreme but valid parameters give the right texts, whatever other requests run."""
    plain = generated(gateway, details=True)
    text = plain["generated_text"]
    assert generated(gateway, do_sample=True, top_p=0.0)["generated_text"] == text
    assert generated(gateway, do_sample=None, temperature=0.0)["generated_text"] == text
    assert generated(gateway, do_sample=True, top_k=1, temperature=100.0)["generated_text"] == text
    tokens = [token["text"] for token in plain["details"]["tokens"]]
    middle = len(tokens) // 2
    stop = tokens[middle - 1][-1] + tokens[middle][0]  # across the border of two tokens
    stopped = generated(gateway, stop=[*(f"never {number}" for number in range(15)), stop])
    assert stopped == {"generated_text": text[: text.index(stop)], "finish_reason": "stop_sequence"}


def test_hostile_requests_do_not_change_the_texts_of_concurrent_streams(decoders: GeneratingFleet) -> None:
    gateway, (worker,) = decoders.start()
    isolated = streamed_texts(gateway)
    hostile = [HostileClient(gateway) for _ in range(NUM_HOSTILE_CLIENTS)]
    assert streamed_texts(gateway) == isolated
    assert_right_texts(gateway)
    for client in hostile:
        client.enough.set()
    for client in hostile:
        client.join(PATIENCE_S)
        assert not client.is_alive(), "a request was not answered"
        assert len(client.answers) == 2 * len(FIELDS) + len(RAW)
        for name, (status, error) in client.answers.items():
            assert status in {400, 422}, (name, error)
            assert error["type"] == "invalid_request_error" and error["message"], (name, error)
    assert worker.alive()
    assert decoders.store.num_live() == 0
    assert streamed_texts(gateway) == isolated
