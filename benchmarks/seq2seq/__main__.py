"""``python -m benchmarks.seq2seq``: measure encoder-decoders, and print each figure as a ratio with its target.

Exits 0 also when a target was missed, because a busy machine is no failure; 1 when something could not be measured.
"""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from benchmarks.generation import contest
from benchmarks.generation.clients import LONG_WAIT
from benchmarks.generation.models import ENCODER_DECODERS, BenchModel, require
from benchmarks.generation.step_profile import Split
from benchmarks.harness.command_line import Arguments, read_arguments
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.report import Figure
from benchmarks.harness.runner import print_versions, run
from benchmarks.harness.stack import Stack
from benchmarks.seq2seq import beams, memory, step_profile, throughput
from workers.runtime.tokenizing.tokenizer import load_tokenizer
from workers.seq2seq.model import TOKENIZER

FIGURES = {
    "clients": "16 clients: against a static batch in process, optimum's generate on one, and one client alone",
    "beams": "four searches of four beams, against optimum's on a static batch of four",
    "memory": "RSS of a worker after loading and after loads, against the files that it serves",
}
EXAMPLES = {
    "": "everything, about 5 minutes",
    "beams memory": "two of them",
    "--quick --models t5-tiny": "all of it in a minute; its numbers mean nothing",
}


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    clients: contest.Effort
    beam_rounds: int
    num_loads: int


FULL = Effort(
    clients=contest.Effort(jobs_per_client=8, rounds=5, num_one_by_one=8),
    beam_rounds=5,
    num_loads=4,
)
QUICK = Effort(
    clients=contest.Effort(jobs_per_client=1, rounds=1, num_one_by_one=1),
    beam_rounds=1,
    num_loads=2,
)


def main() -> int:
    """Measure the figures that the command line names; return the exit code."""
    arguments = read_arguments(
        "benchmarks.seq2seq",
        "encoder-decoders",
        figures=FIGURES,
        examples=EXAMPLES,
        models=list(ENCODER_DECODERS),
        default_models=("t5-small",),
    )
    return run(_measure(arguments, QUICK if arguments.quick else FULL), arguments.json)


def _measure(arguments: Arguments, effort: Effort) -> Iterator[Figure]:
    """Yield each figure as soon as it is measured."""
    for key in arguments.models:
        bench = ENCODER_DECODERS[key]
        require(bench.package / "manifest.toml", bench.optimum_graphs / "config.json", target="bench-seq2seq")
        split = None
        if arguments.includes("clients"):
            with Stack() as stack:  # without a worker, which would take the jobs that are run in this process
                print_versions(stack.server_version())
                split = step_profile.split(stack, bench)
        yield from _measure_with_worker(bench, arguments, effort, split)


def _measure_with_worker(
    bench: BenchModel, arguments: Arguments, effort: Effort, split: Split | None
) -> Iterator[Figure]:
    """Yield the figures of a worker; memory is measured on one that has run no job yet."""
    tokenizer = load_tokenizer(bench.package / TOKENIZER)
    if arguments.includes("clients", "beams"):
        peer = ExportProcess("benchmarks.seq2seq.optimum_generate", bench.optimum_graphs)
        with closing(peer) as optimum, _serving(bench) as port:
            if split is not None:
                yield from throughput.measure(
                    port, bench, tokenizer, optimum=optimum, effort=effort.clients, split=split
                )
            if arguments.includes("beams"):
                yield from beams.measure(port, bench, tokenizer, optimum, effort.beam_rounds)
    # A fresh stack: jobs of the figures above would have raised the memory of their worker already.
    if arguments.includes("memory"):
        with _serving(bench) as port:
            yield from memory.measure(port, bench, tokenizer, effort.num_loads)


@contextmanager
def _serving(bench: BenchModel) -> Iterator[int]:
    """Start a stack with a worker of the model; yield the port of its gateway."""
    with Stack() as stack:
        print_versions(stack.server_version())
        stack.start_worker(bench.package.parent, [bench.name], "seq2seq")
        port = stack.start_gateway(LONG_WAIT)
        stack.wait_until_known(port, [bench.name])
        yield port


if __name__ == "__main__":
    sys.exit(main())
