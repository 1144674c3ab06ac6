"""``python -m benchmarks.decoder``: measure text generation, and print each figure as a ratio with its target.

Exits 0 also when a target was missed, because a busy machine is no failure; 1 when something could not be measured.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.decoder import host_work, int8, memory, one_client, throughput
from benchmarks.decoder.bare_loop import load_decoder
from benchmarks.generation import contest
from benchmarks.generation.clients import LONG_WAIT
from benchmarks.generation.models import DECODERS, BenchModel, require
from benchmarks.harness.command_line import Arguments, read_arguments
from benchmarks.harness.report import Figure
from benchmarks.harness.runner import print_versions, run
from benchmarks.harness.stack import Stack

FIGURES = {
    "clients": "16 clients: against a bare loop, a static batch, and one job after another with optimum",
    "alone": "one client's tokens/s, as a share of a bare loop",
    "first-token": "time to the first token beyond prefill, idle and with 15 other clients",
    "host": "time between two steps of 16 rows, as a share of a step",
    "int8": "8-bit weights against fp32, with one row and with four",
    "memory": "peak of a process that generates 16 rows of 900 tokens",
}
EXAMPLES = {
    "": "everything, about 20 minutes",
    "first-token host": "two of them",
    "--models gpt2": "one model",
    "--quick --models tiny": "all of it in a minute; its numbers mean nothing",
}


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    clients: contest.Effort
    num_alone: int
    num_first_tokens: int
    num_host_tokens: int
    num_int8_tokens: int
    int8_rounds: int
    memory_tokens: int


FULL = Effort(
    clients=contest.Effort(jobs_per_client=2, rounds=3, num_one_by_one=4),
    num_alone=5,
    num_first_tokens=40,
    num_host_tokens=150,
    num_int8_tokens=48,
    int8_rounds=3,
    memory_tokens=900,
)
QUICK = Effort(
    clients=contest.Effort(jobs_per_client=1, rounds=1, num_one_by_one=1),
    num_alone=1,
    num_first_tokens=3,
    num_host_tokens=150,
    num_int8_tokens=16,
    int8_rounds=1,
    memory_tokens=64,
)


def main() -> int:
    """Measure the figures that the command line names; return the exit code."""
    arguments = read_arguments(
        "benchmarks.decoder",
        "text generation",
        figures=FIGURES,
        examples=EXAMPLES,
        models=list(DECODERS),
        default_models=("gpt2", "llama"),
    )
    return run(_measure(arguments, QUICK if arguments.quick else FULL), arguments.json)


def _measure(arguments: Arguments, effort: Effort) -> Iterator[Figure]:
    """Yield each figure as soon as it is measured."""
    for key in arguments.models:
        bench = DECODERS[key]
        packages = (bench.package, bench.concat_package, bench.int8_package)
        require(*(package / "manifest.toml" for package in packages), target="bench-decoder")
        if arguments.includes("clients", "alone", "first-token", "host", "int8"):
            with Stack() as stack:
                print_versions(stack.server_version())
                yield from _measure_with_stack(stack, bench, arguments, effort)
        if arguments.includes("memory"):
            yield from memory.measure(bench, effort.memory_tokens)


def _measure_with_stack(stack: Stack, bench: BenchModel, arguments: Arguments, effort: Effort) -> Iterator[Figure]:
    """Yield the figures that need a worker, then those during which no worker may run."""
    model = load_decoder(bench.package)
    if arguments.includes("clients", "alone", "first-token"):
        stack.start_worker(bench.package.parent, [bench.name], "decoder")
        port = stack.start_gateway(LONG_WAIT)
        stack.wait_until_known(port, [bench.name])
        if arguments.includes("clients"):
            yield from throughput.measure(port, model, bench, effort.clients)
        if arguments.includes("alone"):
            yield from one_client.measure_alone(port, model, bench, effort.num_alone)
        if arguments.includes("first-token"):
            yield from one_client.measure_first_token(port, model, bench, effort.num_first_tokens)
        # A running worker would claim the jobs that are run in this process, and compete for the cores.
        stack.stop("decoder")
        stack.stop("gateway")
    if arguments.includes("host"):
        yield from host_work.measure(stack, model, bench, effort.num_host_tokens)
    if arguments.includes("int8"):
        yield from int8.measure(model, bench, effort.num_int8_tokens, effort.int8_rounds)


if __name__ == "__main__":
    sys.exit(main())
