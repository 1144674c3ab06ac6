"""A client of the run: it asks for one job after another, and is patient with faults."""

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.chaos.calls import ENDS, Lost, Response, call
from tests.chaos.catalogue import Request
from tests.chaos.ledger import Entry, Ledger

LONG_TTL_S = 7200


class GiveUp(Exception):
    """The client has no more patience: its job, or its call, is stuck."""


class NotAccepted(Exception):
    """Nothing says that the request was accepted: it was lost in transit, or refused for good."""


class Client(threading.Thread):
    """One client in a thread of its own. ``stop`` lets it end after its current job."""

    def __init__(
        self,
        name: str,
        seed: int,
        urls: list[str],
        ledger: Ledger,
        right: list[tuple[Request, Any]],
        behaviours: Mapping[Callable[["Client"], None], int],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.random = random.Random(f"{name} {seed}")
        self.ledger = ledger
        self.give_up_at = float("inf")
        """Monotonic time at which the client no longer waits for anything."""
        self._urls = urls
        self.right = right
        self._stopping = threading.Event()
        self._behaviours = behaviours

    def run(self) -> None:
        behaviours, weights = list(self._behaviours), list(self._behaviours.values())
        while not self._stopping.is_set():
            behaviour = self.random.choices(behaviours, weights)[0]
            try:
                behaviour(self)
            except NotAccepted:
                self.ledger.count("requests lost in transit")
            except GiveUp as error:
                self.ledger.problem(f"{self.name} gave up: {error}")
            except Exception as error:  # a fault of the run itself must not look like a quiet client
                self.ledger.problem(f"{self.name} failed: {error!r}")
            self._stopping.wait(self.random.uniform(0, 0.3))

    def stop(self) -> None:
        """Ask for no more jobs."""
        self._stopping.set()

    def new_entry(self, kind: str, *, streamed: bool = False, ends: str = "succeeded") -> Entry:
        """Choose a request; with ``streamed`` one whose text can be streamed."""
        choice = [pair for pair in self.right if pair[0].streams] if streamed else self.right
        request, expected = self.random.choice(choice)
        entry = Entry(request, expected, kind, set(ends.split()), streamed=streamed)
        self.ledger.add(entry)
        return entry

    def url(self) -> str:
        """Choose a gateway."""
        return self.random.choice(self._urls)

    def call(self, entry: Entry | None, method: str, path: str, body: Any = None, **more: Any) -> Response:
        """Make a call again and again until there is a response that is no passing one.

        Raises:
            GiveUp: there was none in time.
        """
        while True:
            try:
                response = call(self.url(), method, path, body, **more)
                if not response.may_pass:
                    return response
                self.pause(f"{method} {path}: {response.status} {response.data}", entry)
            except Lost as error:
                if entry:
                    entry.lost = True
                self.pause(f"{method} {path}: {error}", entry)

    def pause(self, reason: str, entry: Entry | None) -> None:
        """Wait a little before the next try.

        Raises:
            GiveUp: there is no time left.
        """
        if entry:
            entry.note(reason)
        if time.monotonic() > self.give_up_at:
            if entry:
                entry.problem(f"stuck: {reason}")
            raise GiveUp(reason)
        time.sleep(self.random.uniform(0.1, 0.6))

    def submit(self, entry: Entry, *, key: str = "", **more: Any) -> str:
        """Submit a job and return its id; with a key it is repeated until it is accepted.

        Raises:
            NotAccepted: without a key, the call was lost in transit; or this machine is too busy for the deadline.
        """
        body = entry.request.job_body(**more, **({"stream": True} if entry.streamed else {}))
        headers = {"Idempotency_Key": key} if key else {}
        while not entry.job_id:
            try:
                response = call(self.url(), "POST", "/v1/jobs", body, **headers)
            except Lost as error:
                if not key:
                    raise NotAccepted from error
                self.pause(f"submit: {error}", entry)
                continue
            if response.status in (200, 202):
                entry.job_id = response.data["id"]
                entry.note(f"accepted {response.data['status']}")
            elif response.may_pass:
                self.pause(f"submit: {response.status} {response.data}", entry)
            elif response.is_too_slow and "deadline_s" in more:
                entry.note(f"refused: {response.data}")
                raise NotAccepted
            else:
                entry.problem(f"submit: {response.status} {response.data}")
                raise NotAccepted
        return entry.job_id

    def submit_kept(self, entry: Entry, **more: Any) -> str:
        """Submit a job whose answer is kept to the end of the run."""
        return self.submit(entry, key=secrets.token_hex(8), ttl_s=LONG_TTL_S, **more)

    def read(self, entry: Entry, query: str = "", **headers: str) -> Response:
        """Read a job that must be there."""
        response = self.call(entry, "GET", f"/v1/jobs/{entry.job_id}{query}", **headers)
        if response.status == 410 and entry.may_go and entry.lost:
            entry.answered = True
            raise NotAccepted("it was sent, went astray, and is over")
        if response.status not in (200, 304):
            entry.problem(f"read: {response.status} {response.data}")
            raise GiveUp(f"job {entry.job_id} answers {response.status}")
        return response

    def wait(self, entry: Entry, query: str = "?wait=10", where: str = "read") -> dict[str, Any]:
        """Read a job until it has ended."""
        while True:
            job: dict[str, Any] = self.read(entry, query).data
            if job["status"] in ENDS:
                entry.check_end(job, where)
                return job
            self.pause(f"it is {job['status']}, attempt {job['attempt']}", entry)
