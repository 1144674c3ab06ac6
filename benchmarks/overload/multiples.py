"""Case 3: jobs arrive at three and nine times the capacity. As much as fits is accepted, and is done in time."""

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness.machine import OtherLoad, cpu_seconds
from benchmarks.overload.capacity import SETTLE, Capacity, capacity_of
from benchmarks.overload.clients.crowd import Answer, Crowd
from benchmarks.overload.clients.load import Sent, at_rate, wait_until
from benchmarks.overload.deployment import FAMILIES, Deployment, End
from benchmarks.overload.effort import Effort
from benchmarks.overload.mixes import KnownMix, Mix, known, read, written
from benchmarks.overload.report import Row, median, percentile, refusals

TIMES = (3, 9)
LEAST_GOODPUT, MOST_EXPIRED, MOST_ANSWER_S = 0.90, 0.01, 5.0
ONE = {"a": 1}
FOUR = {"a": 10, "b": 1, "c": 1, "d": 1}
"""How often each tenant sends."""
PROCESSES = ("gateway", "store", *FAMILIES)


@dataclass(frozen=True)
class _Sent:
    tenant: str
    document: int


def measure(effort: Effort) -> Iterator[Row]:
    """Yield rows for texts that are written, by one tenant and by four."""
    yield from _measure(effort, written(effort.num_kinds), [ONE, FOUR])


def measure_read(effort: Effort) -> Iterator[Row]:
    """Yield rows for texts that are read, by four tenants."""
    yield from _measure(effort, read(effort.num_kinds), [FOUR])


def _measure(effort: Effort, mix: Mix, senders: Sequence[dict[str, int]]) -> Iterator[Row]:
    with Deployment(sorted({tenant for shares in senders for tenant in shares}), [mix.family]) as deployment:
        jobs = known(deployment, "a", mix)
        capacity = capacity_of(deployment, "a", jobs, effort)
        for shares, times in itertools.product(senders, TIMES):
            case = f"{times} x {mix.name}, {len(shares)} tenant{'s' * (len(shares) > 1)}"
            yield from _Run(deployment, jobs, shares, capacity, effort).rows(case, times)


class _Run:
    """One run at a multiple of the capacity."""

    def __init__(
        self, deployment: Deployment, jobs: KnownMix, shares: dict[str, int], capacity: Capacity, effort: Effort
    ) -> None:
        self._deployment = deployment
        self._jobs = jobs
        self._capacity = capacity
        self._effort = effort
        self._senders = [tenant for tenant, share in shares.items() for _ in range(share)]
        deadline = {"deadline_s": effort.deadline_s}
        self._requests = {
            tenant: [deployment.submit(tenant, {**document, **deadline}) for document in jobs.documents]
            for tenant in shares
        }

    def rows(self, case: str, times: int) -> Iterator[Row]:
        """Send jobs, wait for their ends, and yield the rows."""
        effort, rate = self._effort, times * self._capacity.tokens_s / self._jobs.mean_work
        other_load, cpu_s = OtherLoad(), self._cpu_s()
        began = time.time()
        with Crowd(self._deployment.port) as crowd:
            answers, lag_s = at_rate(crowd, rate, effort.load_s, self._next)
        used = {name: (now - cpu_s[name]) / effort.load_s for name, now in self._cpu_s().items()}
        wait_until(lambda: not any(map(self._deployment.num_active, self._requests)), effort.deadline_s + 10)
        accepted = [answer for answer in answers if answer.status == 202]
        ends = self._deployment.ends([json.loads(answer.body)["id"] for answer in accepted])
        settled = began + SETTLE * effort.load_s
        shares = self._shares(accepted, ends, settled, began + effort.load_s)
        yield self._goodput(case, shares, rate, used)
        yield _expired(case, ends)
        yield _answered(case, answers, lag_s)
        refused = refusals((answer.status, answer.body) for answer in answers if answer.status != 202)
        cores = ", ".join(f"{name} {share:.2f}" for name, share in used.items())
        yield Row(case, "refused; cores used", f"{refused}; {cores}; others {other_load.share():.0%} of all")

    def _next(self, number: int) -> Sent:
        tenant = self._senders[number % len(self._senders)]
        document = self._jobs.at(number // len(self._senders))
        return self._requests[tenant][document], _Sent(tenant, document)

    def _shares(self, accepted: Sequence[Answer], ends: Sequence[End], first: float, last: float) -> dict[str, float]:
        """Return for each tenant the work that was done in time between two times, as a share of the capacity."""
        done = dict.fromkeys(self._requests, 0.0)
        for answer, end in zip(accepted, ends, strict=True):
            if end.in_time and first < end.completed_at <= last:
                done[answer.tag.tenant] += self._jobs.work[answer.tag.document]
        return {tenant: work / (last - first) / self._capacity.tokens_s for tenant, work in done.items()}

    def _goodput(self, case: str, shares: dict[str, float], rate: float, used: dict[str, float]) -> Row:
        goodput = sum(shares.values())
        cores = sum(used.get(family, 0.0) for family in FAMILIES)
        by_cpu = f"by CPU time of the worker {goodput * self._capacity.worker_cores / cores:.0%}" if cores else ""
        parts = ", ".join(f"{tenant} {share:.0%}" for tenant, share in shares.items()) if len(shares) > 1 else ""
        what = f"goodput; capacity {self._capacity.tokens_s:,.0f} tokens/s, {rate:.0f} jobs/s sent"
        load = f"{goodput:.0%} ({'; '.join(filter(None, (parts, by_cpu)))})"
        return Row(case, what, load, "", f"≥ {LEAST_GOODPUT:.0%}", goodput >= LEAST_GOODPUT)

    def _cpu_s(self) -> dict[str, float]:
        pids = self._deployment.stack.pids
        return {name: cpu_seconds(pids(name)) for name in PROCESSES if pids(name)} | {"clients": time.process_time()}


def _expired(case: str, ends: Sequence[End]) -> Row:
    """Return the row of the jobs that were accepted and did not succeed in time."""
    num_late = sum(not end.in_time for end in ends)
    share = num_late / len(ends) if ends else 0.0
    took_s = [end.took_s for end in ends if end.in_time]
    load = (
        f"{share:.1%} ({num_late} of {len(ends):,}); done after {median(took_s):.1f} / {max(took_s, default=0):.1f} s"
    )
    what = "accepted and not done in time; p50 / longest of the others"
    return Row(case, what, load, "", f"≤ {MOST_EXPIRED:.0%}", bool(ends) and share <= MOST_EXPIRED)


def _answered(case: str, answers: Sequence[Answer], lag_s: float) -> Row:
    """Return the row of how long the answers to submits took."""
    took_s = [answer.took_s for answer in answers]
    num_missing, longest_s = sum(not answer.status for answer in answers), max(took_s, default=0.0)
    times = f"{median(took_s):.3f} / {percentile(took_s, 0.99):.2f} / {longest_s:.2f} s"
    note = f"; {num_missing} without answer" if num_missing else ""
    what = f"answers to {len(answers):,} submits, p50 / p99 / longest"
    load = f"{times}{note} (sent up to {lag_s:.1f} s late)"
    return Row(case, what, load, "", f"≤ {MOST_ANSWER_S:g} s", not num_missing and longest_s <= MOST_ANSWER_S)
