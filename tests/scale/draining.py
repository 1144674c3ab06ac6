"""All jobs are over at once: how fast reapers end and forget them, and what another client feels meanwhile."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import redis

from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from contracts.store.reaper import MAX_JOBS_PER_CALL, Reaper
from tests.scale.meter import Meter
from tests.support.waiting import PATIENCE_S, PROGRAM_S


class Pings(NamedTuple):
    """Round trips of a client that pings every millisecond."""

    num_pings: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


class Drain(NamedTuple):
    """What one reaper did, and what another client felt before and meanwhile."""

    num_jobs: int
    seconds: float
    num_slow: int
    """Entries of the slow log: calls of 10 ms or more."""
    before: Pings
    meanwhile: Pings

    def __str__(self) -> str:
        texts = [f"{self.num_jobs} jobs in {self.seconds:.1f} s: {self.num_jobs / self.seconds:.0f} jobs/s"]
        texts.append(f"slow log: {self.num_slow}")
        for name, pings in (("before", self.before), ("meanwhile", self.meanwhile)):
            times = f"p50 {pings.p50_ms:.1f}, p99 {pings.p99_ms:.1f}, longest {pings.longest_ms:.1f} ms"
            texts.append(f"pings {name}: {times}")
        return "; ".join(texts)


def drain(client: "redis.Redis", url: str, key: str, meter: Meter, num_metered: int) -> Drain:
    """Reap until this sorted set is empty. The first calls are metered, the others run at full speed."""
    with meter.measure(f"{key}: reap {MAX_JOBS_PER_CALL}"):
        _reap_some(client, num_metered)
    with _pinging(url) as before:
        time.sleep(1)
    client.config_set("slowlog-log-slower-than", 10_000)
    client.slowlog_reset()
    reaper, started, num_jobs = Reaper(client, StoreSettings()), time.monotonic(), client.zcard(f"{PREFIX}{key}")
    with _pinging(url) as meanwhile:
        while client.zcard(f"{PREFIX}{key}"):
            reaper.reap()
        seconds = time.monotonic() - started
    return Drain(num_jobs, seconds, client.slowlog_len(), *before, *meanwhile)


class _FewCalls(Reaper):
    """Stops after a number of calls, as a reaper does that is stopped."""

    num_left = 0

    def _pause(self, began: float) -> None:
        self.num_left -= 1
        if self.num_left <= 0:
            self.stop()


def _reap_some(client: "redis.Redis", num_calls: int) -> None:
    reaper = _FewCalls(client, StoreSettings())
    reaper.num_left = num_calls
    reaper.reap()
    time.sleep(0.3)  # then it counts as gone, and the next one may begin


@contextmanager
def _pinging(url: str) -> Iterator[list[Pings]]:
    """Ping meanwhile, in another process: Python's lock would hold up a thread of this one."""
    found: list[Pings] = []
    command = [sys.executable, "-m", "tests.scale.pings", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        try:
            yield found
        finally:
            output, _ = process.communicate(timeout=PROGRAM_S)
        found.append(msgspec.json.decode(output, type=Pings))
    assert process.wait(PATIENCE_S) == 0
