"""A fake store that keeps jobs in a dict, and a fake model whose behaviour a test sets."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import redis
from workers.runtime.attempts.runner import JobRunner

from contracts.cards import ModelCard
from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim, Usage, new_job_id
from contracts.store.attempt_store import UNLIMITED, DoesNotFit, Room
from contracts.tasks.embed import EmbedRequest
from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.engine.figures import EngineFigures
from workers.runtime.engine.work import Work
from workers.runtime.models.served import ServedModel, TaskHandler, TaskOutput
from workers.runtime.models.versions import Models, Version

OUTPUT = b"[1.0]"
BUDGET_BYTES = 3200
"""Of the jobs in hand: 16 threads have a share of 100 bytes each, and larger jobs have 1,600 in common."""


class FakeStore:
    """Jobs in a dict, with the store's fencing. ``outage`` has the number of calls of each name that will fail."""

    lease_s = 15.0

    def __init__(self) -> None:
        self.attempts: dict[str, int] = {}
        self.queued: set[str] = set()
        self.suspects: set[str] = set()
        self.cancelled: set[str] = set()
        self.ends: list[tuple[str, str, Any]] = []
        self.calls: list[str] = []
        self.outage: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        """What jobs are estimated to take in memory."""
        self._lock = threading.Lock()

    def add(self, *, suspect: bool = False, num_bytes: int = 0) -> str:
        job_id = new_job_id()
        self.sizes[job_id] = num_bytes
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
                raise redis.ConnectionError("the store is out of reach")

    def claim(self, job_id: str, worker: str, room: Room = UNLIMITED) -> Claim | None:
        self._call("claim")
        with self._lock:
            if job_id not in self.queued:
                return None
            if room is not UNLIMITED and self.sizes.get(job_id, 0) > room.num_bytes:
                raise DoesNotFit(job_id, self.sizes[job_id])
            self.queued.remove(job_id)
            self.attempts[job_id] += 1
            return Claim(
                id=job_id,
                attempt=self.attempts[job_id],
                task="embed",
                model="echo",
                request=b'{"inputs":"w1"}',
                timeout_s=60,
                suspect=job_id in self.suspects,
            )

    def claim_next(self, queue: str, worker: str, room: Room = UNLIMITED) -> Claim | None:
        """Claim the oldest job that fits, whatever its queue."""
        waiting = [job_id for job_id in self.attempts if job_id in self.queued]
        fitting = [job_id for job_id in waiting if self.sizes.get(job_id, 0) <= room.num_bytes]
        oldest = next(iter([*fitting, *waiting]), None)
        return self.claim(oldest, worker, room) if oldest else None

    def _finish(self, claim: Claim, status: str, value: Any = None) -> bool:
        self._call("finish")
        with self._lock:
            owned = claim.id not in self.queued and self.attempts[claim.id] == claim.attempt
            owned = owned and claim.id not in {job_id for job_id, _, _ in self.ends}
            if owned:
                self.ends.append((claim.id, status, value))
            return owned

    def succeed(self, claim: Claim, answer: Answer) -> bool:
        return self._finish(claim, "succeeded", answer.output)

    def fail(self, claim: Claim, error: TriptychError) -> bool:
        return self._finish(claim, "failed", error)

    def confirm_cancel(self, claim: Claim) -> bool:
        return claim.id in self.cancelled and self._finish(claim, "cancelled")

    def release(self, claim: Claim) -> bool:
        self._call("release")
        with self._lock:
            owned = self.attempts[claim.id] == claim.attempt and claim.id not in self.queued
            if owned:
                self.queued.add(claim.id)
            return owned

    def progress(self, claim: Claim, done: int, total: int | None = None) -> None:
        self._call("progress")


class FakeModel:
    """A model that calls ``behave`` for each job, and counts how many jobs run at once."""

    def __init__(self) -> None:
        self.behave: Callable[[Attempt], None] = lambda attempt: None
        self.inside = self.most_inside = 0
        self._lock = threading.Lock()

    def served(self, task: str = "embed") -> Models:
        """Return the model as the only one that a worker serves."""
        models, row = Models(), TaskHandler(EmbedRequest, _run)
        models.put(Version(ServedModel(self, card(task), row, partial(Work, _NoEngine())), "digest"))
        return models

    def fail_with(self, error: BaseException) -> None:
        def raise_it(attempt: Attempt) -> None:
            raise error

        self.behave = raise_it

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1


class _NoEngine:
    """The engine of a task that needs none."""

    def cancel(self, handle: object) -> None:
        raise AssertionError("nothing was submitted")

    def figures(self) -> EngineFigures:
        raise AssertionError("nothing was submitted")


def _run(model: FakeModel, request: EmbedRequest, work: Work[Any]) -> TaskOutput:
    with model.running():
        model.behave(work.attempt)
    return TaskOutput([[1.0]], Usage(items=1, tokens_in=1, tokens_used=1, truncated_items=0))


def card(task: str) -> ModelCard:
    return ModelCard(
        name="echo", task=task, family="encoder", revision="1", licence="", description="", max_tokens=9
    )  # fmt: skip


def start_job(runner: JobRunner, store: FakeStore, model: FakeModel, gate: threading.Event, suspect: bool) -> str:
    """Start a job that stays in the model call until ``gate`` is set."""

    def wait(attempt: Attempt) -> None:
        assert gate.wait(PATIENCE_S)

    model.behave = wait
    job_id = store.add(suspect=suspect)
    threading.Thread(target=runner.accept, args=(job_id,), kwargs={"suspect": suspect}, daemon=True).start()
    wait_until(lambda: model.inside == 1, "the job did not start")
    return job_id
