"""``python -m tests.chaos``: run chaos, print a report; exit with 1 if anything went wrong."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run


def main() -> int:
    """Run what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--length", type=float, default=600.0, metavar="SECONDS", help="of the faults; 600 by default")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of faults and clients")
    parser.add_argument("--folder", type=Path, help="for logs and data, which are kept; by default they are not")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="triptych-chaos-") as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        result = run(options.length, options.seed, folder, lambda line: print(line, flush=True))
    print(f"\n{result.details}\n\n{result.report}" if result.details else f"\n{result.report}")
    return 0 if result.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
