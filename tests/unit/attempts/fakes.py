"""A job store and a model by hand, for whoever looks at what stands between them."""

import threading
from collections.abc import Callable
from typing import Any

import redis

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim, new_job_id
from workers.runtime.attempts.attempt import Attempt

ANSWER = Answer(output=b"[1.0]", usage=b"{}", timings=b"{}", model_revision="1")


class FakeStore:
    """Jobs in a dict, with the store's fencing; ``outage`` lets the next so many calls of a name fail."""

    lease_s = 15.0

    def __init__(self) -> None:
        self.attempts: dict[str, int] = {}
        self.queued: set[str] = set()
        self.suspects: set[str] = set()
        self.cancelled: set[str] = set()
        self.ends: list[tuple[str, str, Any]] = []
        self.calls: list[str] = []
        self.outage: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, *, suspect: bool = False) -> str:
        job_id = new_job_id()
        self.attempts[job_id] = 0
        self.queued.add(job_id)
        if suspect:
            self.suspects.add(job_id)
        return job_id

    def lose_lease(self, job_id: str) -> None:
        self.queued.add(job_id)

    def _call(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)
            if self.outage.get(name, 0):
                self.outage[name] -= 1
                raise redis.ConnectionError("the store is away")

    def claim(self, job_id: str, worker: str) -> Claim | None:
        self._call("claim")
        with self._lock:
            if job_id not in self.queued:
                return None
            self.queued.remove(job_id)
            self.attempts[job_id] += 1
            return Claim(
                id=job_id, attempt=self.attempts[job_id], task="embed", model="echo", request=b"{}", timeout_s=60,
                suspect=job_id in self.suspects,
            )  # fmt: skip

    def _finish(self, claim: Claim, status: str, value: Any = None) -> bool:
        self._call("finish")
        with self._lock:
            mine = claim.id not in self.queued and self.attempts[claim.id] == claim.attempt
            mine = mine and claim.id not in {job_id for job_id, _, _ in self.ends}
            if mine:
                self.ends.append((claim.id, status, value))
            return mine

    def succeed(self, claim: Claim, answer: Answer) -> bool:
        return self._finish(claim, "succeeded", answer)

    def fail(self, claim: Claim, error: TriptychError) -> bool:
        return self._finish(claim, "failed", error)

    def confirm_cancel(self, claim: Claim) -> bool:
        return claim.id in self.cancelled and self._finish(claim, "cancelled")

    def release(self, claim: Claim) -> bool:
        self._call("release")
        with self._lock:
            mine = self.attempts[claim.id] == claim.attempt and claim.id not in self.queued
            if mine:
                self.queued.add(claim.id)
            return mine

    def progress(self, claim: Claim, done: int, total: int | None = None) -> None:
        self._call("progress")


class FakeModel:
    """Answers as told; counts how many jobs are inside at once."""

    name = "echo"
    task = "embed"

    def __init__(self) -> None:
        self.behave: Callable[[Claim, Attempt], Answer] = lambda claim, attempt: ANSWER
        self.inside = self.most_inside = 0
        self._lock = threading.Lock()

    def answer(self, claim: Claim, attempt: Attempt) -> Answer:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            return self.behave(claim, attempt)
        finally:
            with self._lock:
                self.inside -= 1

    def fail_with(self, error: BaseException) -> None:
        def raise_it(claim: Claim, attempt: Attempt) -> Answer:
            raise error

        self.behave = raise_it
