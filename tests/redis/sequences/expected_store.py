"""The model of the store with which `test_random_sequences` compares it: what each call must do, without Redis."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.jobs import LANES, TERMINAL, Claim, NewJob

MAX_CRASHES = 2
"""Crashes alone."""
MAX_GROUP = 8


class Blame(NamedTuple):
    """What a job was before the reaper took it from its worker."""

    crashes: int
    alone: int
    group: str


@dataclass
class ExpectedJob:
    """The expected state of a job. ``late`` means that its deadline is over, ``gone`` that it has no record."""

    id: str
    tenant: str
    lane: str = "default"
    price_s: float = 0.0
    status: str = "queued"
    attempt: int = 0
    crashes: int = 0
    alone: int = 0
    group: str = ""
    before: Blame | None = None
    worker: str = ""
    ended_by: int = 0
    queued: int = 0
    """Number of the step in which it was queued: its place among suspects. Others keep the place of their submit."""
    late: bool = False
    gone: bool = False
    version: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether the job has not ended."""
        return self.status not in TERMINAL

    def owned_by(self, claim: Claim) -> bool:
        """Return whether this attempt owns the job, and may end it."""
        owned = self.status in {"running", "cancelling"} or (self.status == "queued" and self.before is not None)
        return owned and self.attempt == claim.attempt and not self.gone

    def resume(self) -> None:
        """Give a job back to the worker from which the reaper has taken it."""
        if self.status == "queued" and self.before:
            self.crashes, self.alone, self.group = self.before
            self.status, self.before = "running", None


@dataclass
class ExpectedStore:
    """All jobs. Each step of a sequence has another number."""

    jobs: dict[str, ExpectedJob] = field(default_factory=dict)
    step: int = 0
    num_submits: int = 0

    def add(self, job: NewJob) -> None:
        """Submit a job."""
        self.jobs[job.id] = ExpectedJob(job.id, job.tenant, job.lane, job.price_s, queued=self.step)

    def suspects(self) -> list[ExpectedJob]:
        """Return the suspects that wait in the order in which workers get them."""
        found = [job for job in self.jobs.values() if job.status == "queued" and job.group]
        return sorted(found, key=lambda job: (job.queued, job.id))

    def flows(self, lane: str) -> dict[str, list[ExpectedJob]]:
        """Return the other jobs that wait in a lane by their tenants, each tenant's in the order of their submits."""
        found: dict[str, list[ExpectedJob]] = {}
        for job in sorted(self.jobs.values(), key=lambda job: job.id):
            if job.status == "queued" and not job.group and job.lane == lane:
                found.setdefault(job.tenant, []).append(job)
        return found

    def check_taken(self, claims: Sequence[Claim], max_jobs: int) -> None:
        """Check what a worker gets that takes suspects first: then as many others, of each flow the oldest.

        Nothing that is late is among them. Which flows are next is not compared here.
        """
        suspects = self._next_suspects(max_jobs)
        assert {claim.id for claim in claims if claim.group} == {job.id for job in suspects}
        taken = {claim.id for claim in claims if not claim.group}
        waiting = [[job for job in jobs if not job.late] for lane in LANES for jobs in self.flows(lane).values()]
        assert len(taken) == min(max(0, max_jobs - len(suspects)), sum(map(len, waiting)))
        first = [jobs[: sum(job.id in taken for job in jobs)] for jobs in waiting]
        assert taken == {job.id for jobs in first for job in jobs}

    def _next_suspects(self, max_jobs: int) -> list[ExpectedJob]:
        """Return the next suspects: groups as a whole. One that runs alone comes without others."""
        found: dict[str, ExpectedJob] = {}
        suspects = self.suspects()
        for job in suspects:
            if len(found) >= max_jobs:
                break
            taken = [other.group == other.id for other in found.values()]
            if not job.late and not (any(taken) or (taken and job.group == job.id)):
                members = [other for other in suspects if other.group == job.group]
                found.update({member.id: member for member in members if not member.late})
        return list(found.values())

    def start(self, job: ExpectedJob, worker: str) -> None:
        """Start an attempt."""
        job.status, job.attempt, job.worker, job.before = "running", job.attempt + 1, worker, None

    def give_back(self, job: ExpectedJob) -> None:
        """Return a job to its queue without blame, or end it if it is being cancelled."""
        job.resume()
        if job.status == "cancelling":
            job.status = "cancelled"
        else:
            job.status, job.queued = "queued", self.step

    def blame(self, jobs: Iterable[ExpectedJob], *, charge: int = 1, keeps: bool) -> None:
        """Blame jobs that a worker held when it died, each group apart."""
        groups: dict[str, list[ExpectedJob]] = {}
        for job in jobs:
            groups.setdefault(job.group, []).append(job)
        for together in groups.values():
            self._halve(together, charge, keeps=keeps)

    def _halve(self, jobs: list[ExpectedJob], charge: int, *, keeps: bool) -> None:
        size = min(MAX_GROUP, math.ceil(len(jobs) / 2))
        for start in range(0, len(jobs), size):
            part = jobs[start : start + size]
            name = part[0].id if len(part) == 1 else f"{part[0].id}.{part[0].attempt}"
            for job in part:
                before = Blame(job.crashes, job.alone, job.group)
                job.crashes, job.alone = job.crashes + charge, job.alone + charge * (job.group == job.id)
                if charge and job.alone >= MAX_CRASHES:
                    job.status = "failed"
                else:
                    job.status, job.group, job.queued = "queued", name, self.step
                    job.before = before if keeps else None
