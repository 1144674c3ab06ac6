"""Clients of streamed texts, each in a thread: OpenAI's library, raw server-sent events, and the events of a job."""

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
    """A client in a thread. ``error`` is the exception that ended its stream, if there was one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self.start()

    def read(self) -> None:
        """Read the stream to its end."""
        raise NotImplementedError

    def run(self) -> None:
        try:
            self.read()
        except (openai.APIError, httpx.TransportError) as error:
            self.error = error

    def end(self) -> None:
        """Wait for the end of the stream."""
        self.join(PATIENCE_S)
        assert not self.is_alive(), "the stream does not end"


class OpenAIChat(Client):
    """A streamed chat completion, read by OpenAI's library."""

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
    """The server-sent events of a streamed chat completion: items, and the comments between them."""

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
        chunks = (item["data"] for item in self.items if "choices" in item["data"])
        return "".join(choice["delta"].get("content", "") for data in chunks for choice in data["choices"])


class EventFollower(Client):
    """Follows the events of a job to its end, and reconnects with the id of the last event that it has."""

    def __init__(self, url_of: Callable[[], str], job_id: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.num_connections = 0
        self.job_id = job_id
        self._url_of = url_of
        self._gave_up = threading.Event()
        super().__init__()

    def read(self) -> None:
        while not (self.events and self.events[-1]["event"] in TERMINAL):
            self.num_connections += 1
            with suppress(httpx.TransportError):
                self._read_on()
            if self._gave_up.wait(0.05):
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
        self._gave_up.set()
        assert not self.is_alive(), "the events of the job do not end"

    @property
    def attempts(self) -> list[int]:
        """The attempts that have started, in order."""
        return [event["data"]["attempt"] for event in self.events if event["event"] == "started"]

    def texts_of_attempt(self, attempt: int) -> list[str]:
        """Return the texts that one attempt has streamed, in the order of their numbers."""
        texts: dict[int, str] = {}
        for event in self.events:
            if event["event"] == "output" and event["data"]["attempt"] == attempt:
                for delta in event["data"]["pieces"]:
                    number = delta.get("sequence", 0)
                    texts[number] = texts.get(number, "") + delta.get("text", "")
        return [texts[number] for number in sorted(texts)]
