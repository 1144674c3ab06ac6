"""Observes processes while a case runs: their CPU time and memory, and how long another client waits."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from benchmarks.harness.machine import cpu_seconds, pids_of
from benchmarks.hostile.report import Cost, Limits, Row

IDLE_S = 2.0
SAMPLE_S = 0.02
END_S = 180.0


@dataclass(frozen=True)
class Request:
    """What the other client asks for."""

    port: int
    path: str = "/livez"
    document: object = None

    def arguments(self) -> list[str]:
        """Return the request as arguments of `bystander`."""
        if self.document is None:
            return [str(self.port), "GET", self.path]
        return [str(self.port), "POST", self.path, json.dumps(self.document)]


class Observer:
    """Runs cases against the processes whose command lines have one of ``words``."""

    def __init__(self, words: tuple[str, ...], request: Request) -> None:
        self._words = words
        self._request = request
        self._idle_ms = self._longest_ms(lambda: time.sleep(IDLE_S))

    def run(self, case: str, attack: Callable[[], str], limits: Limits) -> Row:
        """Run an attack, which returns its outcome in words, and return what it cost."""
        memory = _PeakMemory(self._pids())
        cpu_s = cpu_seconds(self._pids())
        outcome: list[str] = []
        with memory:
            delay_ms = self._longest_ms(lambda: outcome.append(attack()))
        cost = Cost(cpu_seconds(self._pids()) - cpu_s, delay_ms, self._idle_ms, memory.growth_mb)
        return Row(case, outcome[0], cost, limits)

    def _pids(self) -> list[int]:
        return [pid for word in self._words for pid in pids_of(word)]

    def _longest_ms(self, action: Callable[[], object]) -> float:
        command = [sys.executable, "-m", "benchmarks.hostile.bystander", *self._request.arguments()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bystander:
            time.sleep(0.3)  # until it has started
            action()
            out, _ = bystander.communicate(b".", timeout=END_S)
        return float(json.loads(out)["longest_ms"])


class _PeakMemory:
    """The highest sum of the processes' RSS in a ``with`` block, above that before the block."""

    def __init__(self, pids: list[int]) -> None:
        self._heads = pids
        self._before = self._rss()
        self._peak = self._before
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def growth_mb(self) -> float:
        return (self._peak - self._before) / 1e6

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self._peak = max(self._peak, self._rss())

    def _rss(self) -> int:
        # Children that a process starts meanwhile count too, and ids are counted once.
        pids = set(self._heads)
        for pid in self._heads:
            with contextlib.suppress(psutil.Error):
                pids |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        total = 0
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
        return total
