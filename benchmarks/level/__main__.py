"""``python -m benchmarks.level``: give a small store more jobs than it can remember, and print its memory meanwhile.

Exits 0 also when a target was missed, because a busy machine is no failure; 1 when something could not be measured.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.harness import prose
from benchmarks.harness.machine import OtherLoad, cpu_seconds
from benchmarks.harness.report import Figure, p95
from benchmarks.harness.runner import print_versions, run
from benchmarks.harness.stack import ROOT, Stack
from benchmarks.level.paced_clients import Mix, PacedClients, Tally
from contracts.store.keys import PREFIX
from contracts.store.redis_client import reads

PACKAGES = ROOT / "onnx_models" / "packages"
MODEL = "starter-embed"
MAX_GROWTH = 1.02
"""Of the memory's mean in the last tenth of the run, to that in the first tenth of its second half."""
PROCESSES = ("gateway", "encoder", "store")
_HEAD = (
    " from s  jobs/s  p50 ms  p95 ms  longest ms  refused  store MB  records  delivered  oldest delivered s  "
    "CPU ms a job: " + ", ".join((*PROCESSES, "clients"))
)


@dataclass(frozen=True)
class _Sample:
    """The store at one time: MB in use, records of ended jobs, delivered ones, and the age of the oldest of these."""

    at_s: float
    used_mb: float
    num_records: int
    num_delivered: int
    oldest_s: float


def main() -> int:
    """Measure for the time that the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.level", description=__doc__.partition(": ")[2])
    add = parser.add_argument
    add("--minutes", type=float, default=10.0, help="length of the run (default: %(default)g)")
    add("--rate", type=float, default=300.0, help="jobs a second (default: %(default)g)")
    add("--unread", type=int, default=2, help="of 100 jobs, how many answers nobody reads (default: %(default)s)")
    add("--maxmemory", default="256mb", help="the store's limit (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    mix = Mix(unread=options.unread)
    return run(_measure(60 * options.minutes, options.rate, mix, options.maxmemory), options.json)


def _measure(seconds: float, rate: float, mix: Mix, maxmemory: str) -> Iterator[Figure]:
    other_load = OtherLoad()
    with Stack(maxmemory) as stack:
        print_versions(stack.server_version())
        stack.start_worker(PACKAGES, [MODEL])
        port = stack.start_gateway()
        stack.wait_until_known(port, [MODEL])
        clients = PacedClients(port, MODEL, prose.texts(512), mix)
        recorder = _Recorder(stack, clients, period_s=max(1.0, seconds / 10))
        print(_HEAD, flush=True)
        recorder.end_period(clients.run(rate, seconds, recorder.each_second))
        clients.close()
    parts = [f"{rate:g} jobs/s for {seconds:g} s, {mix.unread} of 100 unread, limit {maxmemory}; {other_load}"]
    if recorder.first_refusal:
        parts.append(f"first refusal: {recorder.first_refusal}")
    refused = recorder.num_refused / recorder.num_sent
    yield Figure("level-refused", "Share of jobs that were refused", refused, "", "at most", 0.0, parts)
    yield _growth(recorder.samples, seconds)


def _growth(samples: list[_Sample], seconds: float) -> Figure:
    """Compare the two ends of the second half, each over a tenth of the run, because memory goes up and down a bit."""
    used_mb = [sample.used_mb for sample in samples if sample.at_s <= seconds + 1]
    middle, tenth = len(used_mb) // 2, max(1, len(used_mb) // 10)
    first, last = mean(used_mb[middle : middle + tenth]), mean(used_mb[-tenth:])
    parts = [f"{first:.1f} MB after half of the time, {last:.1f} MB at its end, {max(used_mb):.1f} MB at most"]
    return Figure(
        "level-growth", "Memory at the end to that at half-time", last / first, "", "at most", MAX_GROWTH, parts
    )


class _Recorder:
    """Samples the store each second, and prints a line for each period."""

    def __init__(self, stack: Stack, clients: PacedClients, period_s: float) -> None:
        self._stack = stack
        self._clients = clients
        self._period_s = period_s
        self._from_s = 0.0
        self._cpu_s = self._cpu()
        self.samples: list[_Sample] = []
        self.num_sent = 0
        self.num_refused = 0
        self.first_refusal = ""

    def each_second(self, now_s: float) -> None:
        """Take a sample; end the period if it is over."""
        store = reads(self._stack.client)
        used_mb = self._stack.client.info("memory")["used_memory"] / 1e6
        seconds, _ = store.time()
        oldest = store.zrange(f"{PREFIX}delivered", 0, 0, withscores=True)
        age_s = seconds - oldest[0][1] if oldest else 0.0
        num_records, num_delivered = store.zcard(f"{PREFIX}expiring"), store.zcard(f"{PREFIX}delivered")
        self.samples.append(_Sample(now_s, used_mb, num_records, num_delivered, age_s))
        if now_s >= self._from_s + self._period_s:
            self.end_period(now_s)

    def end_period(self, now_s: float) -> None:
        """Print a line, and begin with the next period."""
        tally, sample, before = self._clients.tally, self.samples[-1], self._cpu_s
        if not tally.num_sent:
            return
        self._clients.tally, self._cpu_s = Tally(), self._cpu()
        num_refused = sum(tally.refusals.values())
        self.num_sent, self.num_refused = self.num_sent + tally.num_sent, self.num_refused + num_refused
        self.first_refusal = self.first_refusal or tally.first_refusal
        ms = sorted(1000 * latency_s for latency_s in tally.latencies_s) or [0.0]
        cpu = ", ".join(
            f"{1000 * (now - then) / tally.num_sent:.2f}" for now, then in zip(self._cpu_s, before, strict=True)
        )
        print(
            f"{self._from_s:7.0f} {tally.num_sent / (now_s - self._from_s):7.0f} {ms[len(ms) // 2]:7.1f} "
            f"{p95(ms):7.1f} {ms[-1]:11.1f} {num_refused:8} {sample.used_mb:9.1f} {sample.num_records:8} "
            f"{sample.num_delivered:10} {sample.oldest_s:19.0f}  {cpu}",
            flush=True,
        )
        self._from_s = now_s

    def _cpu(self) -> list[float]:
        return [*(cpu_seconds(self._stack.pids(name)) for name in PROCESSES), time.process_time()]


if __name__ == "__main__":
    sys.exit(main())
