"""Runs a benchmark program: prints the machine, each figure when it is measured, and how many reached their targets."""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.harness.machine import Hardware, load_averages, use_two_cores
from benchmarks.harness.report import BenchError, Figure, versions, write_json


def run(measured: Iterable[Figure], file: Path | None) -> int:
    """Measure by iterating, print, and write ``file`` if there is one; return the exit code.

    Returns:
        0 also when a target was missed, because a busy machine is no failure; 1 when something could not be measured.
    """
    use_two_cores()  # before anything is started, because children inherit it
    hardware = Hardware.read()
    print(f"{hardware}\n{load_averages()}\n", flush=True)
    figures = []
    try:
        for figure in measured:
            figures.append(figure)
            print("\n".join(figure.lines()), flush=True)
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(f"{sum(figure.reached for figure in figures)} of {len(figures)} targets reached; {load_averages()}")
    if file:
        write_json(file, hardware, figures)
    return 0


@cache
def print_versions(server: str) -> None:
    """Print the versions of the store and of the packages, once in a run."""
    print(versions(server) + "\n", flush=True)
