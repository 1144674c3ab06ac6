"""``python -m benchmarks.decoder``: measure text generation, and print each figure as a ratio with its target.

Exits 0 also when a target was missed, since a busy machine is no failure; 1 when something could not be measured.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.decoder import host_work, int8, memory, one_client, throughput
from benchmarks.decoder.bare_loop import load_decoder
from benchmarks.decoder.models import TITLES, Measured
from benchmarks.generation.clients import PATIENT
from benchmarks.generation.command import read_arguments
from benchmarks.harness.report import Figure, versions
from benchmarks.harness.runner import run
from benchmarks.harness.stack import Stack

NAMES = ("clients", "alone", "first-token", "host", "int8", "memory")
MODELS = ("gpt2", "llama")
_HELP = """figures:
  clients      16 clients: against a bare loop, a static batch, and one job after another with optimum
  alone        one client's tokens/s, as a share of a bare loop
  first-token  time to the first token beyond reading the prompt, idle and beside 15 others
  host         what is done between two steps of 16 rows, as a share of a step
  int8         weights in 8 bits against fp32, at one row and at four
  memory       peak of a process that writes 16 rows of 900 tokens

examples:
  python -m benchmarks.decoder                      everything, about 20 minutes
  python -m benchmarks.decoder first-token host     two of them
  python -m benchmarks.decoder --models gpt2        one model
  python -m benchmarks.decoder --quick --models tiny   all of it in a minute; its numbers mean nothing

Close what else is running. benchmarks/README.md says how to read the figures."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    clients: throughput.Effort
    num_alone: int
    num_asks: int
    num_host_tokens: int
    num_int8_tokens: int
    int8_rounds: int
    memory_tokens: int


FULL = Effort(
    clients=throughput.Effort(jobs_per_client=2, rounds=3, num_one_by_one=4),
    num_alone=5,
    num_asks=40,
    num_host_tokens=150,
    num_int8_tokens=48,
    int8_rounds=3,
    memory_tokens=900,
)
QUICK = Effort(
    clients=throughput.Effort(jobs_per_client=1, rounds=1, num_one_by_one=1),
    num_alone=1,
    num_asks=3,
    num_host_tokens=150,
    num_int8_tokens=16,
    int8_rounds=1,
    memory_tokens=64,
)


def main() -> int:
    """Measure what the command line names; return the exit code."""
    arguments = read_arguments(
        "benchmarks.decoder", "text generation", figures=NAMES, models=TITLES, usual=MODELS, more=_HELP
    )
    return run(_measure(arguments.figures, arguments.models, QUICK if arguments.quick else FULL), arguments.json)


def _measure(names: Sequence[str], models: Sequence[str], effort: Effort) -> Iterator[Figure]:
    """Yield each figure as soon as it is measured."""
    for key in models:
        measured = Measured(key)
        measured.check()
        with Stack() as stack:
            if key == models[0]:
                print(versions(stack.server_version()) + "\n", flush=True)
            yield from _measure_model(stack, measured, names, effort)
        if "memory" in names:
            yield from memory.measure(measured, effort.memory_tokens)


def _measure_model(stack: Stack, measured: Measured, names: Sequence[str], effort: Effort) -> Iterator[Figure]:
    """Yield what is measured with a stack: first what needs a worker, then what needs none beside it."""
    if not set(names) & {"clients", "alone", "first-token", "host", "int8"}:
        return
    model = load_decoder(measured.package)
    if set(names) & {"clients", "alone", "first-token"}:
        stack.start_worker(measured.package.parent, [measured.name], "decoder")
        port = stack.start_gateway(PATIENT)
        stack.wait_until_known(port, [measured.name])
        if "clients" in names:
            yield from throughput.measure(port, model, measured, effort.clients)
        if "alone" in names:
            yield from one_client.measure_alone(port, model, measured, effort.num_alone)
        if "first-token" in names:
            yield from one_client.measure_first_token(port, model, measured, effort.num_asks)
        stack.stop("decoder")
        stack.stop("gateway")
    if "host" in names:
        yield from host_work.measure(stack, model, measured, effort.num_host_tokens)
    if "int8" in names:
        yield from int8.measure(model, measured, effort.num_int8_tokens, effort.int8_rounds)


if __name__ == "__main__":
    sys.exit(main())
