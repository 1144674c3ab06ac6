"""Start an encoder worker: `python -m workers.encoder`."""

import sys

from workers.runtime.process.program import Program

if __name__ == "__main__":
    sys.exit(Program("encoder", "workers.encoder.tasks:ENCODER").run())
