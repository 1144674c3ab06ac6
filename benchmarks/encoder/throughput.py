"""Throughput as a share of the ceiling, for the figures over the queue and over HTTP.

Runs are interleaved: ceiling, run, ceiling, run, ceiling. Each run is compared with the two ceilings around it, so
that a machine that slows down slows both sides. CPU time is compared as well, because on a machine that others use it
is the more reliable number.

The worker measures the CPU time of its model calls (``metered_worker``). What its process, the store and the gateway
use beyond that is what it costs to serve a text.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.encoder.bare_model import BareModel, BareRun
from benchmarks.encoder.metered_worker import METER, make_meter, read_meter
from benchmarks.harness.machine import OtherLoad, cpu_seconds
from benchmarks.harness.report import BenchError, Figure, spread
from benchmarks.harness.stack import MINILM, Stack
from workers.encoder.pooling import Floats

TOLERANCE = 1e-3
"""Vectors have length 1. In another batch the same text differs by rounding, which is far less than this."""

SERVING = ("encoder", "gateway", "store")
"""Processes of the stack whose CPU time is counted, by their names in it."""
CLIENTS = "benchmark"
"""This process, with its clients."""
# Less is not worth a place in the report's line.
LEAST_CPU_MS = 0.05


@dataclass(frozen=True)
class Subject:
    """What is measured: a stack with a metered worker; the ceiling; the texts, and how often each side gets them."""

    stack: Stack
    meter: Path
    bare: BareModel
    texts: Sequence[str]
    rounds: int


def start_subject(stack: Stack, texts: Sequence[str], rounds: int) -> Subject:
    """Start the metered worker in a stack."""
    meter = stack.folder / "meter"
    make_meter(meter)
    stack.start_program(
        "encoder", "benchmarks.encoder.metered_worker", MINILM.parent, [MINILM.name], {METER: str(meter)}
    )
    return Subject(stack, meter, BareModel(MINILM), texts, rounds)


@dataclass(frozen=True)
class Timed:
    """One run over all texts: its duration, and the vectors to check, float32 [texts, dimensions]."""

    elapsed_s: float
    vectors: Floats


@dataclass(frozen=True)
class Measured:
    """The throughput of one run, and the CPU milliseconds that each process, and the model calls, spent on a text."""

    rate: float
    cpu_ms: dict[str, float]
    model_ms: float
    rows_a_call: float

    @property
    def total_cpu_ms(self) -> float:
        """The CPU time of a text in all processes together."""
        return sum(self.cpu_ms.values())

    @property
    def outside_percent(self) -> float:
        """The CPU time of what serves, outside of model calls, in percent of that of model calls."""
        return 100 * (sum(self.cpu_ms[name] for name in SERVING) / self.model_ms - 1)


@dataclass(frozen=True)
class Compared:
    """Interleaved runs: the median of their ratios to the ceilings around them, and the report's lines."""

    ratio: float
    parts: list[str]
    runs: Sequence[Measured]

    def outside(self, name: str, title: str, limit: float) -> Figure:
        """Return the figure of the CPU time outside of model calls, in percent of that of model calls."""
        percents = [run.outside_percent for run in self.runs]
        parts = [
            f"percent   {spread(percents, '.1f')}",
            f"CPU ms a text: {_shares(self.runs)}; of the encoder, in model calls "
            f"{statistics.median(run.model_ms for run in self.runs):.2f}",
            f"rows a call {spread([run.rows_a_call for run in self.runs], '.1f')}",
        ]
        return Figure(name, title, statistics.median(percents), "%", "at most", limit, parts)


def against_ceiling(subject: Subject, run: Callable[[], Timed], name: str) -> Compared:
    """Interleave ``run`` with the ceiling and compare throughput and answers.

    Raises:
        BenchError: an answer is not the ceiling's.
    """
    other_load = OtherLoad()
    bare, texts = subject.bare, subject.texts
    expected = bare.embed(texts)
    run()  # the first run pays for connections, allocations and caches
    # Rounds follow each other closely, so a change of the machine's speed reaches both sides of a ratio.
    tops, runs = [_measured(subject, lambda: _as_timed(bare.embed(texts)), expected)], []
    for _ in range(subject.rounds):
        runs.append(_measured(subject, run, expected))
        tops.append(_measured(subject, lambda: _as_timed(bare.embed(texts)), expected))
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
    return Compared(statistics.median(ratios), parts, runs)


def _measured(subject: Subject, run: Callable[[], Timed], expected: BareRun) -> Measured:
    cpu_before, model_before = _cpu_seconds_by_process(subject.stack), read_meter(subject.meter)
    timed = run()
    cpu_after, model_after = _cpu_seconds_by_process(subject.stack), read_meter(subject.meter)
    check(timed.vectors, expected.vectors)  # after the clock has stopped
    num_texts = len(timed.vectors)
    cpu_ms = {name: 1000 * (cpu_after[name] - cpu_before[name]) / num_texts for name in cpu_before}
    model_s, num_calls, num_rows = (after - before for before, after in zip(model_before, model_after, strict=True))
    return Measured(num_texts / timed.elapsed_s, cpu_ms, 1000 * model_s / num_texts, num_rows / max(1, num_calls))


def _cpu_seconds_by_process(stack: Stack) -> dict[str, float]:
    return {CLIENTS: time.process_time(), **{name: cpu_seconds(stack.pids(name)) for name in SERVING}}


def _shares(runs: Sequence[Measured]) -> str:
    medians = {name: statistics.median(run.cpu_ms[name] for run in runs) for name in (*SERVING, CLIENTS)}
    return ", ".join(f"{name} {cpu_ms:.2f}" for name, cpu_ms in medians.items() if cpu_ms >= LEAST_CPU_MS)


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
