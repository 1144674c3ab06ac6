"""A fake store that keeps jobs in a dict, a fake model whose behaviour a test sets, and an engine without a thread."""

import threading
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Sequence
from functools import partial
from typing import Any, Self

import redis

from contracts.cards import ModelCard
from contracts.job_ids import new_job_id
from contracts.jobs import Claim, Flow, Lane, Usage, newcomers_of, queue_of
from contracts.price.estimate import Consumed
from contracts.store.attempts.outcomes import Outcome
from contracts.store.attempts.turn import UNLIMITED, LargeJob, Room, Turn
from contracts.tasks.embed import EmbedRequest
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.engine.figures import EngineFigures
from workers.runtime.engine.work import Work
from workers.runtime.models.served import ServedModel, TaskHandler, TaskOutput
from workers.runtime.models.versions import Models, Version

OUTPUT = b"[1.0]"
QUEUE = queue_of("echo")
SUSPECTS = queue_of("echo", suspect=True)
NEWCOMERS = newcomers_of(QUEUE)
BUDGET_BYTES = 3200
"""Of the jobs in hand: small jobs have 1,600 in common."""


class FakeStore:
    """Jobs in a dict, with the store's fencing. Queues differ only in that suspects have one of their own."""

    lease_s = 15.0

    def __init__(self) -> None:
        self.attempts: dict[str, int] = {}
        self.queued: dict[str, None] = {}
        self.groups: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.consumed: list[Consumed] = []
        self.ends: list[tuple[str, str, dict[str, Any]]] = []
        self.ended_by: dict[str, int] = {}
        self.calls: list[str] = []
        self.turns: list[tuple[int, Sequence[str], int]] = []
        """Of each turn that was executed: outcomes, sources, jobs that were started."""
        self.outage: dict[str, int] = {}
        """How many calls of each name fail before they have an effect."""
        self.lost_replies = 0
        """How many turns fail after they have had their effect."""
        self.refused: set[str] = set()
        """Jobs of which no outcome can be written."""
        self.sizes: dict[str, int] = {}
        """What jobs are estimated to take in memory."""
        self.timeouts: dict[str, float] = {}
        self.flows: dict[str, tuple[Lane, str]] = {}
        self._claims: dict[str, list[Claim]] = {}
        self._lock = threading.RLock()

    def add(
        self,
        tenant: str = "acme",
        *,
        lane: Lane = "default",
        group: str = "",
        num_bytes: int = 0,
        timeout_s: float = 600,
    ) -> str:
        job_id = new_job_id(tenant, at=0)
        self.flows[job_id] = lane, tenant
        self.sizes[job_id], self.timeouts[job_id], self.attempts[job_id] = num_bytes, timeout_s, 0
        if group:
            self.groups[job_id] = group
        self.queued[job_id] = None
        return job_id

    def lose_lease(self, job_id: str) -> None:
        self.queued[job_id] = None

    def statuses(self) -> dict[str, str]:
        return {job_id: status for job_id, status, _ in self.ends}

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.outage.get(name, 0):
            self.outage[name] -= 1
            raise redis.ConnectionError("the store is out of reach")

    def turn(
        self,
        worker: str,
        outcomes: Sequence[Outcome] = (),
        *,
        sources: Sequence[str] = (),
        max_jobs: int = 16,
        room: Room = UNLIMITED,
        token: str = "",
        pass_by: Collection[Flow] = (),
    ) -> Turn:
        with self._lock:
            self._call("turn")
            if any(outcome.claim.id in self.refused for outcome in outcomes):
                raise redis.ResponseError("string exceeds maximum allowed size")
            accepted = [self._finish(outcome) for outcome in outcomes]
            claims, too_large = self._claims.get(token, []) if max_jobs else [], None
            if max_jobs and not claims:
                claims, too_large = self._start(sources, max_jobs, room, pass_by)
                self._claims[token] = claims
            self.turns.append((len(outcomes), sources, len(claims)))
            if self.lost_replies:
                self.lost_replies -= 1
                raise redis.TimeoutError("no reply")
            return Turn(accepted, claims, too_large)

    def _start(
        self, sources: Sequence[str], max_jobs: int, room: Room, pass_by: Collection[Flow]
    ) -> tuple[list[Claim], LargeJob | None]:
        claims: list[Claim] = []
        too_large: LargeJob | None = None
        free_bytes, groups = room.num_bytes, set[str]()
        for source in sources:
            for job_id in [job_id for job_id in self.queued if source in {self._queue_of(job_id), job_id}]:
                num_bytes, group = self.sizes[job_id], self.groups.get(job_id, "")
                if source != job_id and self.flows[job_id] in pass_by:
                    continue
                if len(claims) >= max_jobs and group not in groups:
                    break
                if source == job_id or group or num_bytes <= min(free_bytes, room.most_bytes):
                    groups |= {group} if group else set()
                    free_bytes -= 0 if source == job_id else num_bytes
                    claims.append(self._claim(job_id))
                elif num_bytes > room.most_bytes:
                    too_large = too_large or LargeJob(job_id, num_bytes)
        return claims, too_large

    def _queue_of(self, job_id: str) -> str:
        return SUSPECTS if job_id in self.groups else QUEUE

    def _claim(self, job_id: str) -> Claim:
        del self.queued[job_id]
        self.attempts[job_id] += 1
        return Claim(
            id=job_id,
            attempt=self.attempts[job_id],
            task="embed",
            model="echo",
            request=b'{"inputs":"w1"}',
            timeout_s=self.timeouts[job_id],
            group=self.groups.get(job_id, ""),
            tenant=self.flows[job_id][1],
            lane=self.flows[job_id][0],
            num_bytes=self.sizes[job_id],
        )

    def _finish(self, outcome: Outcome) -> bool:
        claim, status, output = outcome.claim, outcome.status, outcome.output
        if self.ended_by.get(claim.id) == claim.attempt:
            return True
        owned = claim.id not in self.queued and self.attempts[claim.id] == claim.attempt
        if not owned or claim.id in self.ended_by or (status == "cancelled" and claim.id not in self.cancelled):
            return False
        self.ends.append((claim.id, status, {**outcome.fields, **({"output": output} if output else {})}))
        self.ended_by[claim.id] = claim.attempt
        self.consumed.append(outcome.consumed)
        return True

    def release(self, claims: Iterable[Claim]) -> None:
        with self._lock:
            self._call("release")
            for claim in claims:
                if self.attempts[claim.id] == claim.attempt and claim.id not in self.ended_by:
                    self.queued[claim.id] = None

    def renew_leases(self, attempts: Iterable[tuple[str, int]]) -> set[str]:
        with self._lock:
            self._call("renew")
            attempts = list(attempts)
            owned = {job_id for job_id, attempt in attempts if self.attempts[job_id] == attempt}
            for job_id in owned & self.queued.keys():
                del self.queued[job_id]
            return {job_id for job_id, _ in attempts} - owned

    def progress(self, progress: object) -> None:
        self._call("progress")


class Gate:
    """What the task of a job waits for, until the test opens it."""

    def __init__(self) -> None:
        self.finished = False
        self._attempts: list[Attempt] = []

    def __await__(self) -> Generator[Self, None, None]:
        while not self.finished:
            yield self

    async def wait(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)
        await self

    def open(self) -> None:
        self.finished = True
        for attempt in self._attempts:
            attempt.resume()


class FakeModel:
    """A model that awaits ``behave`` for each job, and notes which jobs have begun."""

    def __init__(self) -> None:
        self.behave: Callable[[Attempt], Awaitable[None]] = _do_nothing
        self.begun: list[Attempt] = []
        self.in_calls: set[Attempt] = set()
        """Jobs of which something has been in a model call."""

    def served(self, task: str = "embed", *, is_quick: bool = True) -> Models:
        """Return the model as the only one that a worker serves."""
        models, row = Models(), TaskHandler(EmbedRequest, _run, is_quick)
        models.put(Version(ServedModel(self, card(task), row, partial(FakeWork, self.in_calls)), "digest"))
        return models

    def fail_with(self, error: BaseException) -> None:
        async def raise_it(attempt: Attempt) -> None:
            raise error

        self.behave = raise_it

    def wait_for(self, gate: Gate) -> None:
        self.behave = gate.wait


class FakeWork(Work[Any]):
    """Work that has begun if the test says so."""

    def __init__(self, in_calls: set[Attempt], attempt: Attempt) -> None:
        super().__init__(FakeEngine(), attempt)
        self._in_calls = in_calls

    @property
    def has_begun(self) -> bool:
        return self.attempt in self._in_calls


class FakeEngine:
    """An engine that runs nothing, and wants as many jobs as a test says."""

    def __init__(self, num_wanted: int = 1000) -> None:
        self.wanted = num_wanted
        self.waiting: set[Flow] = set()
        self.tell: Callable[[], None] = lambda: None

    def num_wanted(self) -> int:
        return self.wanted

    def waiting_flows(self) -> set[Flow]:
        return self.waiting

    def when_wanted(self, call: Callable[[], None]) -> None:
        self.tell = call

    def cancel(self, handle: object) -> None:
        raise AssertionError("nothing was submitted")

    def figures(self) -> EngineFigures:
        raise AssertionError("nothing was submitted")


async def _do_nothing(attempt: Attempt) -> None:
    pass


async def _run(model: FakeModel, request: EmbedRequest, work: Work[Any]) -> TaskOutput:
    model.begun.append(work.attempt)
    await model.behave(work.attempt)
    return TaskOutput([[1.0]], Usage(items=1, tokens_in=1, tokens_used=1, truncated_items=0))


def card(task: str) -> ModelCard:
    return ModelCard(
        name="echo", task=task, family="encoder", revision="1", licence="", description="", max_tokens=9
    )  # fmt: skip
