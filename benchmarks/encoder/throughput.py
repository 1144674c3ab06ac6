"""Throughput as a share of the ceiling, for the figures over the queue and over HTTP.

Runs are interleaved: ceiling, run, ceiling, run, ceiling. Each run is compared with the two ceilings around it, so
that a machine that slows down slows both sides. CPU time is compared as well, because on a machine that others use it
is the more reliable number.
"""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.encoder.bare_model import BareModel, BareRun
from benchmarks.harness.machine import OtherLoad, cpu_seconds, pids_of
from benchmarks.harness.report import BenchError, spread
from workers.encoder.pooling import Floats

TOLERANCE = 1e-3
"""Vectors have length 1. In another batch the same text differs by rounding, which is far less than this."""

PARTS = {"worker": "workers.encoder", "gateway": "services.gateway", "store": "valkey-server", "benchmark": ""}
"""Processes whose CPU time is counted, and a word of their command lines; '' is this process with its clients."""
# Less is not worth a place in the report's line.
LEAST_CPU_MS = 0.05


@dataclass(frozen=True)
class Timed:
    """One run over all texts: its duration, and the vectors to check, float32 [texts, dimensions]."""

    elapsed_s: float
    vectors: Floats


@dataclass(frozen=True)
class Measured:
    """The throughput of one run, and the CPU milliseconds that each process spent on a text."""

    rate: float
    cpu_ms: dict[str, float]

    @property
    def total_cpu_ms(self) -> float:
        """The CPU time of a text in all processes together."""
        return sum(self.cpu_ms.values())


@dataclass(frozen=True)
class Compared:
    """Interleaved runs: the median of their ratios to the ceilings around them, and the report's lines."""

    ratio: float
    parts: list[str]


def against_ceiling(
    bare: BareModel, texts: Sequence[str], rounds: int, run: Callable[[], Timed], name: str
) -> Compared:
    """Interleave ``run`` with the ceiling and compare throughput and answers.

    Raises:
        BenchError: an answer is not the ceiling's.
    """
    other_load = OtherLoad()
    expected = bare.embed(texts)
    run()  # the first run pays for connections, allocations and caches
    # Rounds follow each other closely, so a change of the machine's speed reaches both sides of a ratio.
    tops, runs = [_measured(lambda: _as_timed(bare.embed(texts)), expected)], []
    for _ in range(rounds):
        runs.append(_measured(run, expected))
        tops.append(_measured(lambda: _as_timed(bare.embed(texts)), expected))
    around = list(zip(runs, tops, tops[1:], strict=False))
    ratios = [2 * here.rate / (before.rate + after.rate) for here, before, after in around]
    cpu_ratios = [(low.total_cpu_ms + high.total_cpu_ms) / 2 / here.total_cpu_ms for here, low, high in around]
    parts = [
        f"ratio     {spread(ratios)}",
        f"{name:9} {spread([here.rate for here in runs], '.1f')} texts/s",
        f"ceiling   {spread([top.rate for top in tops], '.1f')} texts/s",
        f"CPU time  {spread(cpu_ratios)} as a ratio: the ceiling's to that of all our processes",
        f"CPU ms a text: {_shares(runs)}; ceiling {_shares(tops)}",
        f"{len(texts)} texts, {expected.num_tokens} tokens; {other_load}",
    ]
    return Compared(statistics.median(ratios), parts)


def _measured(run: Callable[[], Timed], expected: BareRun) -> Measured:
    before = _cpu_seconds_by_part()
    timed = run()
    after = _cpu_seconds_by_part()
    check(timed.vectors, expected.vectors)  # after the clock has stopped
    num_texts = len(timed.vectors)
    cpu_ms = {part: 1000 * (after[part] - before[part]) / num_texts for part in PARTS}
    return Measured(num_texts / timed.elapsed_s, cpu_ms)


def _cpu_seconds_by_part() -> dict[str, float]:
    return {part: cpu_seconds(pids_of(word) if word else [os.getpid()]) for part, word in PARTS.items()}


def _shares(runs: Sequence[Measured]) -> str:
    medians = {part: statistics.median(run.cpu_ms[part] for run in runs) for part in PARTS}
    return ", ".join(f"{part} {cpu_ms:.2f}" for part, cpu_ms in medians.items() if cpu_ms >= LEAST_CPU_MS)


def _as_timed(run: BareRun) -> Timed:
    return Timed(run.elapsed_s, run.vectors)


def check(vectors: Floats, expected: Floats) -> None:
    """Raise BenchError unless all vectors came back and equal the ceiling's."""
    if vectors.shape != expected.shape:
        raise BenchError(f"{vectors.shape} came back where {expected.shape} was expected")
    worst = float(np.abs(vectors - expected).max())
    # Not `>=`, so that NaN is refused, too.
    if not worst < TOLERANCE:
        raise BenchError(f"an answer differs from the ceiling's by {worst:.2g}")
