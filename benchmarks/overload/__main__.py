"""``python -m benchmarks.overload``: more load than the system can take, and a table of what came of it.

Exits 0 also when a bar was missed, because a busy machine is no failure; 1 when something could not be measured.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.harness.machine import Hardware, OtherLoad, use_two_cores
from benchmarks.harness.report import BenchError
from benchmarks.overload import bodies, bombs, eta, flood, multiples, waiting
from benchmarks.overload.effort import FULL, QUICK, Effort
from benchmarks.overload.report import Row, table, verdict

CASES: dict[str, tuple[str, Callable[[Effort], Iterator[Row]]]] = {
    "flood": ("15,000 single texts of one tenant; single requests of another", flood.measure),
    "bombs": ("64 requests of 10 KB for hours of work; single requests of another tenant", bombs.measure),
    "multiples": ("jobs at 3 and 9 times the capacity that generate, by one tenant and by four", multiples.measure),
    "reading": ("jobs at 3 and 9 times the capacity that embed, by four tenants", multiples.measure_read),
    "eta": ("what eta_s and Retry-After of waiting jobs are worth while the queue keeps its length", eta.measure),
    "bodies": ("110 bodies of 8 MiB for a store of 1 GB; single requests of another tenant", bodies.measure),
    "waiting": ("more clients wait for jobs than there are connections; submits of another tenant", waiting.measure),
    "lanes": ("a flood in the bulk lane; interactive requests of the same tenant", flood.measure_lanes),
}


def main() -> int:
    """Run the cases that the command line names; return the exit code."""
    options = _options()
    # A connection for each request that waits.
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    use_two_cores()  # before anything is started, because children inherit it
    hardware, load = Hardware.read(), OtherLoad()
    print(f"{hardware}\n", flush=True)
    rows: list[Row] = []
    try:
        for name in options.only:
            began = time.monotonic()
            for measured in CASES[name][1](QUICK if options.quick else FULL):
                row = replace(measured, met=None) if options.quick else measured  # its numbers mean nothing
                rows.append(row)
                print("  ".join(cell for cell in row.cells() if cell), flush=True)
            print(f"({name}: {time.monotonic() - began:.0f} s)", flush=True)
    except BenchError as error:
        print(f"benchmarks.overload: {error}", file=sys.stderr)
        return 1
    print(f"\n{table(rows)}\n\n{hardware}\n{verdict(rows)}; {load}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        document = {"hardware": asdict(hardware), "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    width = max(map(len, CASES))
    cases = "\n".join(f"  {name:{width}}  {words}" for name, (words, _) in CASES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload",
        description="Send more load than the system can take, each case paired with an idle run.",
        epilog=f"cases:\n{cases}\n\nClose other programs first. benchmarks/README.md explains the table.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", type=_cases, default=list(CASES), metavar="CASES", help="some cases, as flood,bombs (default: all)")
    add(
        "--quick",
        action="store_true",
        help="a small run of everything; its numbers mean nothing, so bars are not judged",
    )
    add("--json", type=Path, metavar="FILE", help="also write the table to FILE")
    return parser.parse_args()


def _cases(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CASES):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
