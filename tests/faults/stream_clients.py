"""Clients of streamed texts in threads of their own: OpenAI's library, the bare wire, and a job's own events."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import openai

from contracts.jobs import TERMINAL
from tests.faults.faulty_decoder import MODEL
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.streams import each_item
from tests.support.waiting import PATIENCE_S

NUM_TOKENS = 120
WILD: dict[str, Any] = {"temperature": 1.0, "max_tokens": NUM_TOKENS}
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_tokens": NUM_TOKENS}


def chat(text: str, **more: Any) -> dict[str, Any]:
    """Return the body of a streamed chat completion."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": True, **more}


class Client(threading.Thread):
    """A client in a thread of its own. ``error`` is what its stream ended with, if it did not end well."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self.start()

    def read(self) -> None:
        """Read to the end."""
        raise NotImplementedError

    def run(self) -> None:
        try:
            self.read()
        except (openai.APIError, httpx.TransportError) as error:
            self.error = error

    def end(self) -> None:
        """Wait for the end of the stream."""
        self.join(PATIENCE_S)
        assert not self.is_alive(), "a stream without an end"


class OpenAIChat(Client):
    """OpenAI's library at a streamed chat completion."""

    def __init__(self, gateway: GatewayProcess, body: dict[str, Any]) -> None:
        self.chunks: list[Any] = []
        self._client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0, timeout=PATIENCE_S)
        self._body = body
        super().__init__()

    def read(self) -> None:
        with self._client as client:
            for chunk in client.chat.completions.create(**self._body):
                self.chunks.append(chunk)

    @property
    def job_id(self) -> str:
        return str(self.chunks[0].id).removeprefix("chatcmpl-")

    @property
    def text(self) -> str:
        return "".join(choice.delta.content or "" for chunk in self.chunks for choice in chunk.choices)

    @property
    def finish_reasons(self) -> list[str]:
        return [choice.finish_reason for chunk in self.chunks for choice in chunk.choices if choice.finish_reason]


class RawChat(Client):
    """A streamed chat completion as it comes over the wire: its items, and the comments between them."""

    def __init__(self, gateway: GatewayProcess, body: dict[str, Any], **headers: str) -> None:
        self.items: list[dict[str, Any]] = []
        self.job_id = ""
        self._call = (f"{gateway.url}/v1/chat/completions", body, headers)
        super().__init__()

    def read(self) -> None:
        url, body, headers = self._call
        with httpx.stream("POST", url, json=body, headers=headers, timeout=PATIENCE_S) as answer:
            assert answer.status_code == 200, answer.read()
            self.job_id = answer.headers["X-Triptych-Job-Id"]
            for item in each_item(answer):
                self.items.append(item)

    @property
    def comments(self) -> list[str]:
        return [comment for item in self.items for comment in item["comments"]]

    @property
    def last(self) -> Any:
        return self.items[-1]["data"]

    @property
    def text(self) -> str:
        told = (item["data"] for item in self.items if "choices" in item["data"])
        return "".join(choice["delta"].get("content", "") for data in told for choice in data["choices"])


class Following(Client):
    """A client of a job's own events that comes back, with the last event it knows, until it has seen the job's end."""

    def __init__(self, url_of: Callable[[], str], job_id: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.num_connections = 0
        self.job_id = job_id
        self._url_of = url_of
        self._given_up = threading.Event()
        super().__init__()

    def read(self) -> None:
        while not (self.events and self.events[-1]["event"] in TERMINAL):
            self.num_connections += 1
            with suppress(httpx.TransportError):
                self._read_on()
            if self._given_up.wait(0.05):
                return

    def _read_on(self) -> None:
        headers = {"Last-Event-ID": self.events[-1]["id"]} if self.events else {}
        url = f"{self._url_of()}/v1/jobs/{self.job_id}/events"
        with httpx.stream("GET", url, headers=headers, timeout=PATIENCE_S) as answer:
            if answer.status_code == 200:
                for item in each_item(answer):
                    self.events.append(item)

    def end(self) -> None:
        """Wait for the end of the job."""
        self.join(PATIENCE_S)
        self._given_up.set()
        assert not self.is_alive(), "the job's events have no end"

    @property
    def attempts(self) -> list[int]:
        """The attempts that were told of, in order."""
        return [event["data"]["attempt"] for event in self.events if event["event"] == "started"]

    def told(self, attempt: int) -> list[str]:
        """Return the texts that one attempt told, by their numbers."""
        texts: dict[int, str] = {}
        for event in self.events:
            if event["event"] == "output" and event["data"]["attempt"] == attempt:
                for piece in event["data"]["pieces"]:
                    number = piece.get("sequence", 0)
                    texts[number] = texts.get(number, "") + piece.get("text", "")
        return [texts[number] for number in sorted(texts)]
