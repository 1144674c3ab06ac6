"""Start a decoder worker: `python -m workers.decoder`."""

import sys

from workers.runtime.process.program import Program

if __name__ == "__main__":
    sys.exit(Program("decoder", "workers.decoder.tasks:DECODER").run())
