"""Clients that send a fixed number of jobs a second, whatever the answers take, in one thread.

Of 100 jobs most are synchronous requests. Some are submitted and then waited for, and a few are never asked for.
"""

import json
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.harness.http_clients import Client, post

NUM_CLIENTS = 48
LONGEST_SELECT_S = 0.05
END_S = 60.0
"""Longest wait for the last answers."""


@dataclass(frozen=True)
class Mix:
    """Of 100 jobs, how many are submitted and then read, and how many nobody reads. The rest are synchronous."""

    polled: int = 10
    unread: int = 2

    def kind(self, number: int) -> str:
        """Return how the job with this number is sent."""
        place = number * 37 % 100  # spread over each hundred
        return "unread" if place < self.unread else "polled" if place < self.unread + self.polled else "waits"


@dataclass
class Tally:
    """What came of the jobs of some time."""

    num_sent: int = 0
    latencies_s: list[float] = field(default_factory=list)
    """From when a job was due to be sent to its answer, or to the 202 of one that nobody reads."""
    refusals: dict[int, int] = field(default_factory=dict)
    """How many responses had another status than 200 or 202."""
    first_refusal: str = ""

    def refuse(self, status: int, body: bytes) -> None:
        """Count a response that is no answer."""
        self.refusals[status] = self.refusals.get(status, 0) + 1
        self.first_refusal = self.first_refusal or body[:300].decode(errors="replace")


@dataclass
class _Sent:
    """A job on its way over one connection."""

    kind: str
    due_at: float


class PacedClients:
    """Keep-alive connections to a gateway, which share a list of texts.

    Args:
        port: the gateway's, on this machine.
        model: that all jobs are for.
        texts: one a job; they start again after the last one.
        mix: how jobs are sent.
    """

    def __init__(self, port: int, model: str, texts: Sequence[str], mix: Mix) -> None:
        options = {"parameters": {"truncate": "right"}}
        # Encoded beforehand: the clients share two cores with what they measure.
        self._synchronous = [post("/v1/embed", {"model": model, "inputs": text, **options}) for text in texts]
        self._submits = [
            post("/v1/jobs", {"task": "embed", "model": model, "inputs": text, **options}) for text in texts
        ]
        self._mix = mix
        self._clients = [Client(port) for _ in range(NUM_CLIENTS)]
        self._sent: dict[Client, _Sent] = {}
        self.tally = Tally()
        """What came of the jobs since the caller has set another one."""

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.socket.close()

    def run(self, rate: float, seconds: float, each_second: Callable[[float], None]) -> float:
        """Send ``rate`` jobs a second for some time; return how long it took until the last answer was there.

        ``each_second`` is called with the seconds since the start.
        """
        idle, due = deque(self._clients), deque[float]()
        started, number, next_second = time.monotonic(), 0, 1.0
        with selectors.DefaultSelector() as selector:
            for client in self._clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
            while True:
                now = time.monotonic() - started
                while number + len(due) < rate * min(now, seconds):
                    due.append(started + (number + len(due)) / rate)
                while due and idle:
                    self._send(idle.popleft(), number, due.popleft())
                    number += 1
                if now >= next_second:
                    next_second += 1
                    each_second(now)
                if now > seconds and (not (self._sent or due) or now > seconds + END_S):
                    return now
                idle.extend(self._receive(selector, min(LONGEST_SELECT_S, 1 / rate)))

    def _send(self, client: Client, number: int, due_at: float) -> None:
        kind = self._mix.kind(number)
        requests = self._synchronous if kind == "waits" else self._submits
        self._sent[client] = _Sent(kind, due_at)
        self.tally.num_sent += 1
        client.send(number, requests[number % len(requests)])

    def _receive(self, selector: selectors.BaseSelector, timeout_s: float) -> list[Client]:
        """Read what has arrived; return the clients that are free again."""
        free = []
        for key, _ in selector.select(timeout_s):
            client: Client = key.data
            response = client.receive()
            if response is not None and self._is_over(client, *response):
                free.append(client)
        return free

    def _is_over(self, client: Client, status: int, body: bytes) -> bool:
        sent = self._sent[client]
        if sent.kind == "polled" and status == 202:
            sent.kind = "read"
            job_id = json.loads(body)["id"]
            client.send(client.index, f"GET /v1/jobs/{job_id}?wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return False
        is_answer = sent.kind != "read" or b'"status":"succeeded"' in body
        if status == (202 if sent.kind == "unread" else 200) and is_answer:
            self.tally.latencies_s.append(time.monotonic() - sent.due_at)
        else:
            self.tally.refuse(status, body)
        del self._sent[client]
        return True
