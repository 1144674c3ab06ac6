"""A worker and its clients in simulated time, on a real store, with the gateway's own view of the load.

The worker does one work-second a second, and divides it equally among the jobs in hand, as slots of a decoder do.
"""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.cards import WorkerCard
from contracts.errors import QueueFull
from contracts.jobs import Claim, Lane
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from contracts.store.queues.load_reader import LoadReader
from contracts.store.registry import Registry
from services.gateway.admission.loads import LoadBook
from tests.redis.builders import MODEL, QUEUE, new_job
from tests.redis.shares.taking import end
from tests.support.job_store import JobStore

STEP_S = 0.2
PLACES = 16
NOISE = 0.3
"""Part by which the true work of a job differs from its price at most."""
CARD = WorkerCard(
    id="w1", host="h", pid=1, models=[MODEL], started_at=0.0, running=0, num_batches=0, num_rows=0, real_tokens=0,
    padded_tokens=0, rss_bytes=0,
)  # fmt: skip


class Client(NamedTuple):
    """Submits jobs at random times."""

    rate: float
    """Work-seconds a second."""
    prices_s: Sequence[float]
    lane: Lane = "default"


@dataclass
class InHand:
    """A job that runs."""

    claim: Claim
    left_s: float


@dataclass
class Simulation:
    """One run. ``run`` returns when its time is over."""

    store: JobStore
    clients: Mapping[str, Client]
    deadline_s: float
    seed: int = 1
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    done_s: float = 0.0
    """Work of the jobs that have succeeded."""

    def run(self, seconds: float) -> None:
        """Let clients and worker work for some simulated seconds."""
        self._random = random.Random(self.seed)
        self._book, self._loads = LoadBook(), LoadReader(self.store.client)
        self._held: dict[str, InHand] = {}
        Registry(self.store.client).beat(CARD, ttl_s=3600.0)
        self._loads.read([MODEL])  # a worker is seen with the second look
        self.began = began = time.time()
        next_at = dict.fromkeys(self.clients, 0.0)
        for step in range(round(seconds / STEP_S)):
            now = step * STEP_S
            self.store.client.set(f"{PREFIX}clock", f"{began + now - time.time():.6f}")
            if step % round(1 / STEP_S) == 0:
                self._book.note(self._loads.read([MODEL]), {}, now)
                self.store.reap()
            for tenant, client in self.clients.items():
                while next_at[tenant] <= now:
                    next_at[tenant] += self._submit(tenant, client)
            self._work(STEP_S)

    @property
    def expired_part(self) -> float:
        """Part of the accepted jobs that have expired."""
        return self.store.num_finished().get((MODEL, "expired"), 0) / self.accepted.total()

    def _submit(self, tenant: str, client: Client) -> float:
        """Submit a job; return the seconds until the next one."""
        price_s = self._random.choice(client.prices_s)
        load = self._book.of(MODEL)
        admission = Admission(
            lane_rate=load.lane_rates[client.lane],
            capacity=load.capacity.total,
            capacity_of_one=load.capacity.of_one,
            lane_use=load.lane_uses[client.lane],
        )
        job = new_job(tenant=tenant, lane=client.lane, price_s=price_s, deadline_s=self.deadline_s)
        try:
            self.store.submit(job, admission)
            self.accepted[tenant] += 1
        except QueueFull:
            self.refused[tenant] += 1
        return self._random.expovariate(client.rate * len(client.prices_s) / sum(client.prices_s))

    def _work(self, seconds: float) -> None:
        while seconds > 1e-9:
            self._take()
            if not self._held:
                break
            part = min(seconds, len(self._held) * min(job.left_s for job in self._held.values()))
            for job in self._held.values():
                job.left_s -= part / len(self._held)
            seconds -= part
            self._end_those_that_are_done()

    def _take(self) -> None:
        if len(self._held) < PLACES:
            for claim in self.store.turn("w1", sources=[QUEUE], max_jobs=PLACES - len(self._held)).claims:
                work_s = claim.price_s * self._random.uniform(1 - NOISE, 1 + NOISE)
                self._held[claim.id] = InHand(claim, work_s)

    def _end_those_that_are_done(self) -> None:
        done = [job.claim for job in self._held.values() if job.left_s <= 1e-9]
        lost = self.store.renew_leases([(job.claim.id, job.claim.attempt) for job in self._held.values()])
        end(self.store, [claim for claim in done if claim.id not in lost])
        self.done_s += sum(claim.price_s for claim in done if claim.id not in lost)
        for job_id in {claim.id for claim in done} | lost:
            del self._held[job_id]
