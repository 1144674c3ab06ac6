"""``python -m benchmarks``: measure the encoder's stack, and print each figure as a ratio with its target.

Exits 0 also when a target was missed, because a busy machine is no failure; 1 when something could not be measured.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.encoder import environment, from_queue, latency, memory, over_http, scaling, submit
from benchmarks.encoder.throughput import start_subject
from benchmarks.harness import prose
from benchmarks.harness.command_line import Arguments, read_arguments
from benchmarks.harness.report import BenchError, Figure
from benchmarks.harness.runner import print_versions, run
from benchmarks.harness.stack import MINILM, Stack

FIGURES = {
    "queue": "from the queue to the answer, as a share of the bare session with the best batches; CPU time",
    "http": "the same over HTTP, and against a server that pads in arrival order",
    "latency": "idle round trip of one short text, beyond the model's own time",
    "submit": "durable submits, as a ratio to a plain Flask view that calls task.delay()",
    "workers": "1, 4 and 16 workers at one store: throughput, and what a job costs the store",
    "memory": "gateway, worker, and a serving environment on disk",
}
EXAMPLES = {
    "": "everything, about 10 minutes",
    "queue http": "two of them",
    "--quick": "a small run of everything in about a minute; its numbers are rough",
    "submit --json out.json": "also write a JSON file",
}


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    num_texts: int
    rounds: int
    num_requests: int
    submit_pairs: int
    submit_s: float
    jobs_a_worker: int
    install: bool


FULL = Effort(num_texts=512, rounds=5, num_requests=200, submit_pairs=7, submit_s=3.0, jobs_a_worker=300, install=True)
QUICK = Effort(num_texts=64, rounds=1, num_requests=20, submit_pairs=1, submit_s=0.5, jobs_a_worker=10, install=False)


def main() -> int:
    """Measure the figures that the command line names; return the exit code."""
    arguments = read_arguments("benchmarks", "Triptych", figures=FIGURES, examples=EXAMPLES)
    return run(_measure(arguments, QUICK if arguments.quick else FULL), arguments.json)


def _measure(arguments: Arguments, effort: Effort) -> Iterator[Figure]:
    """Yield each figure as soon as it is measured."""
    if arguments.includes("queue", "http", "latency", "memory"):
        yield from _measure_with_worker(arguments, effort)
    if arguments.includes("submit"):
        yield from submit.measure(effort.submit_pairs, effort.submit_s)
    if arguments.includes("workers"):
        yield from scaling.measure(effort.jobs_a_worker)
    if arguments.includes("memory"):
        yield from environment.measure() if effort.install else environment.estimate()


def _measure_with_worker(arguments: Arguments, effort: Effort) -> Iterator[Figure]:
    if not (MINILM / "manifest.toml").is_file():
        raise BenchError(f"there is no model package in {MINILM}: run `make minilm`")
    texts = prose.texts(effort.num_texts)
    with Stack() as stack:
        print_versions(stack.server_version())
        subject = start_subject(stack, texts, effort.rounds)
        port = stack.start_gateway()
        if arguments.includes("queue"):
            yield from from_queue.measure(subject)
        if arguments.includes("http"):
            yield from over_http.measure(subject, port)
        if arguments.includes("latency"):
            yield from latency.measure(port, subject.bare, effort.num_requests)
        if arguments.includes("memory"):
            yield from memory.measure(stack, port, texts)


if __name__ == "__main__":
    sys.exit(main())
