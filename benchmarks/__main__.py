"""``python -m benchmarks``: measure, and print each figure as a ratio with its target.

Exits 0 also when a target was missed, since a busy machine is no failure; 1 when something could not be measured.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.encoder import environment, from_queue, latency, memory, over_http, submit
from benchmarks.encoder.bare_model import BareModel
from benchmarks.harness import prose
from benchmarks.harness.report import BenchError, Figure, versions
from benchmarks.harness.runner import run
from benchmarks.harness.stack import MINILM, Stack

SERVING = ("queue", "http", "latency", "memory")
"""What is measured on a stack with the MiniLM worker."""
NAMES = ("queue", "http", "latency", "submit", "memory")
_HELP = """figures:
  queue     from the queue to the answer, as a share of the bare session with the best batches
  http      the same over HTTP, and against a server that pads in arrival order
  latency   idle round trip of one short text, beyond the model's own time
  submit    durable submits, as a ratio to a plain Flask view that calls task.delay()
  memory    gateway, worker, and a serving environment on disk

examples:
  python -m benchmarks                       everything, 5 to 10 minutes
  python -m benchmarks queue http            two of them
  python -m benchmarks --quick               a small run of everything in less than a minute; its numbers are rough
  python -m benchmarks submit --json out.json

Close what else is running: both sides of a ratio share two cores with it. benchmarks/README.md says how to read
the figures."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    num_texts: int
    rounds: int
    num_asks: int
    submit_pairs: int
    submit_s: float
    install: bool


FULL = Effort(num_texts=512, rounds=5, num_asks=200, submit_pairs=7, submit_s=3.0, install=True)
QUICK = Effort(num_texts=64, rounds=1, num_asks=20, submit_pairs=1, submit_s=0.5, install=False)


def main() -> int:
    """Measure what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Triptych against ceilings and peers in the same run.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(NAMES)}, or all (the default)")
    parser.add_argument("--quick", action="store_true", help="a small run of everything; its numbers are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    arguments = parser.parse_args()
    if unknown := set(arguments.figures) - {*NAMES, "all"}:
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(NAMES)} and all")
    names = NAMES if not arguments.figures or "all" in arguments.figures else arguments.figures
    return run(_measure(names, QUICK if arguments.quick else FULL), arguments.json)


def _measure(names: tuple[str, ...] | list[str], effort: Effort) -> Iterator[Figure]:
    """Yield each figure as soon as it is measured."""
    if set(names) & set(SERVING):
        yield from _measure_serving(names, effort)
    if "submit" in names:
        yield from submit.measure(effort.submit_pairs, effort.submit_s)
    if "memory" in names:
        yield from environment.measure() if effort.install else environment.estimate()


def _measure_serving(names: tuple[str, ...] | list[str], effort: Effort) -> Iterator[Figure]:
    if not (MINILM / "manifest.toml").is_file():
        raise BenchError(f"there is no model package in {MINILM}: run `make minilm`")
    texts = prose.texts(effort.num_texts)
    with Stack() as stack:
        print(versions(stack.server_version()) + "\n", flush=True)
        stack.start_worker(MINILM.parent, [MINILM.name])
        port = stack.start_gateway()
        bare = BareModel(MINILM)
        if "queue" in names:
            yield from from_queue.measure(stack, bare, texts, effort.rounds)
        if "http" in names:
            yield from over_http.measure(stack, port, bare, texts, effort.rounds)
        if "latency" in names:
            yield from latency.measure(port, bare, effort.num_asks)
        if "memory" in names:
            yield from memory.measure(stack, port, texts)


if __name__ == "__main__":
    sys.exit(main())
