"""What a system gets done that always has work, while its clients wait and nothing is late."""

import itertools
import time
from dataclasses import dataclass

from benchmarks.harness.machine import cpu_seconds
from benchmarks.overload.clients.crowd import Crowd
from benchmarks.overload.clients.load import as_fast_as_possible, wait_until
from benchmarks.overload.deployment import FAMILIES, Deployment
from benchmarks.overload.effort import Effort
from benchmarks.overload.mixes import KnownMix

NUM_CLIENTS = 32
SETTLE = 0.1
"""Share of a run at its beginning that does not count."""


@dataclass(frozen=True)
class Capacity:
    """Tokens a second, and how many cores the worker used for them."""

    tokens_s: float
    worker_cores: float


def capacity_of(deployment: Deployment, tenant: str, jobs: KnownMix, effort: Effort) -> Capacity:
    """Measure with so many clients that each wait for their job and submit the next one."""
    requests = [deployment.submit(tenant, document, wait_s=60) for document in jobs.documents]
    numbered = ((requests[number], number) for number in map(jobs.at, itertools.count()))
    began, cpu_s, done = time.monotonic(), _worker_s(deployment), 0.0
    counts_from, ends = began + SETTLE * effort.capacity_s, began + effort.capacity_s
    with Crowd(deployment.port) as crowd:
        for answer in as_fast_as_possible(crowd, numbered, NUM_CLIENTS, until=ends):
            if answer.status == 200 and time.monotonic() > counts_from:
                done += jobs.work[answer.tag]
        cores = (_worker_s(deployment) - cpu_s) / effort.capacity_s
        list(crowd.unanswered())
    wait_until(lambda: deployment.num_active(tenant) == 0, 30.0)
    return Capacity(done / (ends - counts_from), cores)


def _worker_s(deployment: Deployment) -> float:
    """Return the CPU time of the workers so far."""
    return sum(cpu_seconds(deployment.stack.pids(family)) for family in FAMILIES)
