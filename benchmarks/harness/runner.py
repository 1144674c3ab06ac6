"""A run of a benchmark program: the machine, each figure as soon as it is measured, how many reached their targets."""

import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.harness.machine import Hardware, load, use_two_cores
from benchmarks.harness.report import BenchError, Figure, write_json


def run(measured: Iterable[Figure], file: Path | None) -> int:
    """Measure by iterating, print, and write ``file`` if there is one; return the exit code.

    Returns:
        0 also when a target was missed, since a busy machine is no failure; 1 when something could not be measured.
    """
    use_two_cores()
    hardware = Hardware.look()
    print(f"{hardware}\n{load()}\n", flush=True)
    figures = []
    try:
        for figure in measured:
            figures.append(figure)
            print("\n".join(figure.lines()), flush=True)
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(f"{sum(figure.reached for figure in figures)} of {len(figures)} targets reached; {load()}")
    if file:
        write_json(file, hardware, figures)
    return 0
