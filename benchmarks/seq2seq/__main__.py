"""``python -m benchmarks.seq2seq``: measure encoder-decoders, and print each figure as a ratio with its target.

Exits 0 also when a target was missed, since a busy machine is no failure; 1 when something could not be measured.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from benchmarks.generation.clients import PATIENT
from benchmarks.generation.command import read_arguments
from benchmarks.generation.step_profile import Split
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.report import Figure, versions
from benchmarks.harness.runner import run
from benchmarks.harness.stack import Stack
from benchmarks.seq2seq import beams, memory, step_profile, throughput
from benchmarks.seq2seq.models import TITLES, Measured
from workers.runtime.tokenizing.tokenizer import load_tokenizer
from workers.seq2seq.model import TOKENIZER

NAMES = ("clients", "beams", "memory")
MODELS = ("t5-small",)
_HELP = """figures:
  clients   16 clients: against a static batch in process, optimum's generate on one, and one client alone
  beams     four searches of four beams, against optimum's on a static batch of four
  memory    what a worker holds after loading and after loads, against the files that it serves

examples:
  python -m benchmarks.seq2seq                      everything, about 5 minutes
  python -m benchmarks.seq2seq beams memory         two of them
  python -m benchmarks.seq2seq --quick --models t5-tiny   all of it in a minute; its numbers mean nothing

Close what else is running. benchmarks/README.md says how to read the figures."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    clients: throughput.Effort
    beam_rounds: int
    num_loads: int


FULL = Effort(
    clients=throughput.Effort(jobs_per_client=8, rounds=5, num_one_by_one=8),
    beam_rounds=5,
    num_loads=4,
)
QUICK = Effort(
    clients=throughput.Effort(jobs_per_client=1, rounds=1, num_one_by_one=1),
    beam_rounds=1,
    num_loads=2,
)


def main() -> int:
    """Measure what the command line names; return the exit code."""
    arguments = read_arguments(
        "benchmarks.seq2seq", "encoder-decoders", figures=NAMES, models=TITLES, usual=MODELS, more=_HELP
    )
    return run(_measure(arguments.figures, arguments.models, QUICK if arguments.quick else FULL), arguments.json)


def _measure(names: Sequence[str], models: Sequence[str], effort: Effort) -> Iterator[Figure]:
    """Yield each figure as soon as it is measured."""
    for key in models:
        measured = Measured(key)
        measured.check()
        with Stack() as stack:  # of its own: a worker would take the jobs that are answered here
            if key == models[0]:
                print(versions(stack.server_version()) + "\n", flush=True)
            split = step_profile.split(stack, measured) if "clients" in names else None
        yield from _measure_served(measured, names, effort, split)


def _measure_served(measured: Measured, names: Sequence[str], effort: Effort, split: Split | None) -> Iterator[Figure]:
    """Yield what is measured of a worker: memory of one that has done nothing yet, the rest of another."""
    tokenizer = load_tokenizer(measured.package / TOKENIZER)
    if set(names) & {"clients", "beams"}:
        peer = ExportProcess("benchmarks.seq2seq.optimum_generate", measured.optimum)
        with closing(peer) as optimum, _serving(measured) as port:
            if split is not None:
                sides = throughput.Sides(port, measured, tokenizer, effort.clients, optimum)
                yield from throughput.measure(sides, measured, effort.clients.rounds, split)
            if "beams" in names:
                yield from beams.measure(port, measured, tokenizer, optimum, effort.beam_rounds)
    if "memory" in names:
        with _serving(measured) as port:
            yield from memory.measure(port, measured, tokenizer, effort.num_loads)


@contextmanager
def _serving(measured: Measured) -> Iterator[int]:
    """Start a stack with a worker of the model; give the port of its gateway."""
    with Stack() as stack:
        stack.start_worker(measured.package.parent, [measured.name], "seq2seq")
        port = stack.start_gateway(PATIENT)
        stack.wait_until_known(port, [measured.name])
        yield port


if __name__ == "__main__":
    sys.exit(main())
