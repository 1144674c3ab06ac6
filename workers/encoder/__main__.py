"""Start an encoder worker: `python -m workers.encoder`."""

import sys

from contracts.interrupts import let_interrupts_end

if __name__ == "__main__":
    let_interrupts_end()
    from workers.runtime.process.program import Program

    sys.exit(Program("encoder", "workers.encoder.tasks:ENCODER").run())
