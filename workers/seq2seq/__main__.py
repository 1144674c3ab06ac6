"""Start a seq2seq worker: `python -m workers.seq2seq`."""

import sys

from contracts.interrupts import let_interrupts_end

if __name__ == "__main__":
    let_interrupts_end()
    from workers.runtime.process.program import Program

    sys.exit(Program("seq2seq", "workers.seq2seq.tasks:SEQ2SEQ").run())
