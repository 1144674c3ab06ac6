"""Start a decoder worker: `python -m workers.decoder`."""

import sys

from contracts.interrupts import let_interrupts_end

if __name__ == "__main__":
    let_interrupts_end()
    from workers.runtime.process.program import Program

    sys.exit(Program("decoder", "workers.decoder.tasks:DECODER").run())
