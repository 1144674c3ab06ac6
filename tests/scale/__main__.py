"""``make scale``: a store with a million waiting jobs. Prints what each call costs; exits 1 if one costs too much."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from contracts.store.redis_client import connect
from tests.scale.meter import MAX_MS
from tests.scale.scale import Scale
from tests.support.valkey import running_valkey

MIN_FREE_BYTES = 4 * 2**30


def free_bytes() -> int:
    """Return how much memory processes can have without swapping."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="that wait (default: %(default)s)")
    num_jobs = parser.parse_args().jobs
    logging.disable(logging.WARNING)  # a line for each job that ends
    if free_bytes() < MIN_FREE_BYTES:
        print(f"skipped: {free_bytes() / 2**30:.1f} GB of memory are free, and this takes up to 4 GB")
        return 0
    with tempfile.TemporaryDirectory(prefix="triptych-scale-") as folder, running_valkey(Path(folder)) as server:
        client = connect(server.url, timeout_s=60, retries=0)
        scale = Scale(client, server.url, num_jobs)
        scale.run(rounds=20, num_metered=300)
        print(scale.report())
        client.close()
    return 1 if scale.faults(MAX_MS, MAX_MS) else 0


if __name__ == "__main__":
    sys.exit(main())
