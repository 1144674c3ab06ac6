"""Figure 6: many workers at one store. Their model calls take 20 ms and no CPU time, one row a call.

So two cores are enough for 16 workers, and what a job costs the store shows beside the throughput.
"""

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from benchmarks.encoder.from_queue import answered, new_job, submit_and_wait
from benchmarks.encoder.sleeping_worker import CALL_S
from benchmarks.harness.machine import OtherLoad, cpu_seconds
from benchmarks.harness.report import Figure
from benchmarks.harness.stack import ROOT, Stack

PACKAGES = ROOT / "onnx_models" / "packages"
MODEL = "starter-embed"
TEXT = "How do I reset my password?"
COUNTS = (1, 4, 16)
TARGET = 0.95
SETTLE_S = 2.0
"""After the start of workers, until they have done what they do only once."""
POLL_S = 0.1
"""Seldom, because these commands count too. The store's own times say when the last job ended."""
_HEAD = "workers   jobs/s   of what calls allow   scripts   commands   store's CPU us   workers' CPU us, each a job"


@dataclass(frozen=True)
class _Spent:
    """Scripts and commands that a store has run, and CPU seconds."""

    scripts: float
    commands: float
    store_s: float
    workers_s: float


@dataclass(frozen=True)
class _Measured:
    """What some number of workers did, and what one job took."""

    num_workers: int
    rate: float
    a_job: _Spent

    def line(self) -> str:
        """Return a row of the table."""
        a_job, share = self.a_job, self.rate * CALL_S / self.num_workers
        return (
            f"{self.num_workers:7} {self.rate:8.1f} {share:21.2f} {a_job.scripts:9.2f} {a_job.commands:10.1f} "
            f"{1e6 * a_job.store_s:16.0f} {1e6 * a_job.workers_s:17.0f}"
        )


def measure(jobs_a_worker: int) -> list[Figure]:
    """Return the figure, measured on a stack without a gateway."""
    other_load = OtherLoad()
    with Stack() as stack:
        one, four, *more = (_run(stack, num_workers, num_workers * jobs_a_worker) for num_workers in COUNTS)
    parts = [_HEAD, *(found.line() for found in (one, four, *more)), f"{jobs_a_worker} jobs a worker; {other_load}"]
    title = f"6. {four.num_workers} encoder workers as a multiple of one, times {four.num_workers}; calls of 20 ms"
    return [Figure("workers", title, four.rate / (four.num_workers * one.rate), "", "at least", TARGET, parts)]


def _run(stack: Stack, num_workers: int, num_jobs: int) -> _Measured:
    """Start the workers that are missing, and let them do so many jobs."""
    names = [f"worker-{index}" for index in range(num_workers)]
    for name in names:
        if not stack.pids(name):
            stack.start_program(name, "benchmarks.encoder.sleeping_worker", PACKAGES, [MODEL])
    time.sleep(SETTLE_S)
    submit_and_wait(stack, [new_job(MODEL, TEXT) for _ in names], POLL_S)
    jobs = [new_job(MODEL, TEXT) for _ in range(num_jobs)]
    before = _spent(stack, names)
    submit_and_wait(stack, jobs, POLL_S)
    after = _spent(stack, names)
    records = [answered(stack, job.id) for job in jobs]
    elapsed_s = max(record.completed_at or 0 for record in records) - min(record.created_at for record in records)
    a_job = _Spent(*((late - early) / num_jobs for early, late in zip(astuple(before), astuple(after), strict=True)))
    return _Measured(num_workers, num_jobs / elapsed_s, a_job)


def _spent(stack: Stack, workers: Sequence[str]) -> _Spent:
    calls = {name: numbers["calls"] for name, numbers in stack.client.info("commandstats").items()}
    workers_s = sum(cpu_seconds(stack.pids(name)) for name in workers)
    return _Spent(calls.get("cmdstat_evalsha", 0), sum(calls.values()), cpu_seconds(stack.pids("store")), workers_s)
