"""``python -m benchmarks.hostile``: run hostile load against the real stack, and print a row for each case.

Exits 0 also when a limit was exceeded, because a busy machine is no failure; 1 when something could not be measured.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from benchmarks.harness.command_line import Arguments, read_arguments
from benchmarks.harness.machine import Hardware, OtherLoad, use_two_cores
from benchmarks.harness.report import BenchError
from benchmarks.harness.runner import print_versions
from benchmarks.harness.stack import Stack
from benchmarks.hostile import answers, bodies, connections, packages, workers
from benchmarks.hostile.report import Row, table

MIB = 1 << 20
GROUPS = {
    "bodies": "bodies of up to the limit that are costly to parse",
    "answers": "answers that are costly to put into a client's format, and a list of large jobs",
    "connections": "half-sent bodies, more clients than descriptors, 500 streams at once",
    "texts": "texts without a space that a worker cuts",
    "memory": "crowds of large jobs for one worker",
    "context": "a small model with a long context",
    "leaving": "a client that leaves while it waits",
    "packages": "an archive that is larger than it looks",
}
EXAMPLES = {
    "": "everything, less than 10 minutes",
    "bodies texts": "two groups",
    "--quick": "a small run of everything; its numbers are rough",
    "--json out.json": "also write a JSON file",
}


def main() -> int:
    """Run the groups that the command line names; return the exit code."""
    arguments = read_arguments("benchmarks.hostile", "what hostile load costs", figures=GROUPS, examples=EXAMPLES)
    use_two_cores()
    hardware, load = Hardware.read(), OtherLoad()
    print(f"{hardware}\n", flush=True)
    rows = []
    try:
        for row in _measure(arguments):
            rows.append(row)
            print("  ".join(row.cells()), flush=True)
    except BenchError as error:
        print(f"benchmarks.hostile: {error}", file=sys.stderr)
        return 1
    print(f"\n{table(rows)}\n\n{sum(not row.broken for row in rows)} of {len(rows)} cases within limits; {load}")
    if arguments.json:
        found = [{**asdict(row), "broken": row.broken} for row in rows]
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"hardware": asdict(hardware), "cases": found}, indent=2) + "\n")
    return 0


def _measure(arguments: Arguments) -> Iterator[Row]:
    """Yield the rows of each group, which has a stack of its own."""
    num_bytes, scale = (MIB, 0.05) if arguments.quick else (8 * MIB - 64, 1.0)
    groups: dict[str, Callable[[Stack], Iterator[Row]]] = {
        "bodies": lambda stack: bodies.measure(stack, num_bytes),
        "answers": lambda stack: answers.measure(stack, scale),
        "connections": lambda stack: connections.measure(stack, num_bytes, scale),
        "texts": lambda stack: workers.measure_texts(stack, scale),
        "memory": lambda stack: workers.measure_memory(stack, scale),
        "context": workers.measure_long_context,
        "leaving": lambda stack: workers.measure_leaving(stack, scale),
        "packages": lambda stack: packages.measure(stack, scale),
    }
    for name, measure in groups.items():
        if arguments.includes(name):
            with Stack() as stack:
                print_versions(stack.server_version())
                yield from measure(stack)


if __name__ == "__main__":
    sys.exit(main())
