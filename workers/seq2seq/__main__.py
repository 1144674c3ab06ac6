"""Start a seq2seq worker: `python -m workers.seq2seq`."""

import sys

from workers.runtime.process.program import Program

if __name__ == "__main__":
    sys.exit(Program("seq2seq", "workers.seq2seq.tasks:SEQ2SEQ").run())
