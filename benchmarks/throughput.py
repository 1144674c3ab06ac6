"""Throughput as a share of the ceiling: what the figures over the queue and over HTTP have in common.

Runs are interleaved: ceiling, run, ceiling, run, ceiling. Each run is compared with the two ceilings around it, so
that a machine that gets slower meanwhile slows both sides.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.ceiling import BareModel
from benchmarks.machine import Bystanders
from benchmarks.report import BenchError, spread
from workers.encoder.pooling import Floats

TOLERANCE = 1e-3
"""Vectors have length 1; the same text in another batch differs by rounding, and by far less than this."""


@dataclass(frozen=True)
class Timed:
    """One run over all texts: its duration, and float32 [texts, dimensions] to be checked."""

    elapsed_s: float
    vectors: Floats


@dataclass(frozen=True)
class Compared:
    """Interleaved runs: each one's ratio to the ceilings around it, and what to tell of them."""

    ratios: list[float]
    rates: list[float]
    parts: list[str]

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)


def against_ceiling(
    bare: BareModel, texts: Sequence[str], rounds: int, run: Callable[[], Timed], name: str
) -> Compared:
    """Interleave ``run`` with the ceiling and compare throughput and answers.

    Raises:
        BenchError: an answer is not the ceiling's.
    """
    bystanders = Bystanders()
    run()  # connections, allocations and caches of the first time
    ceilings, rates = [bare.drive(texts)], []
    for _ in range(rounds):
        timed = run()
        rates.append(len(texts) / timed.elapsed_s)
        ceilings.append(bare.drive(texts))
        check(timed.vectors, ceilings[0].vectors)
    tops = [len(texts) / ceiling.elapsed_s for ceiling in ceilings]
    ratios = [2 * rate / (before + after) for rate, before, after in zip(rates, tops, tops[1:], strict=False)]
    tokenizing = statistics.median(ceiling.tokenize_s / ceiling.elapsed_s for ceiling in ceilings)
    parts = [
        f"ratio     {spread(ratios)}",
        f"{name:9} {spread(rates, '.1f')} texts/s",
        f"ceiling   {spread(tops, '.1f')} texts/s, {100 * tokenizing:.1f} % of it tokenizing",
        f"{len(texts)} texts, {ceilings[0].num_tokens} tokens; {bystanders}",
    ]
    return Compared(ratios, rates, parts)


def check(vectors: Floats, expected: Floats) -> None:
    """Raise BenchError unless all vectors are there and are the ceiling's."""
    if vectors.shape != expected.shape:
        raise BenchError(f"{vectors.shape} came back where {expected.shape} was expected")
    worst = float(np.abs(vectors - expected).max())
    if not worst < TOLERANCE:
        raise BenchError(f"an answer differs from the ceiling's by {worst:.2g}")
