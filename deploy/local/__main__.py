"""Start the local stack or its demo, or manage it: `python -m deploy.local run|demo|gateway`."""

import sys

from contracts.interrupts import let_interrupts_end

if __name__ == "__main__":
    let_interrupts_end()
    from deploy.local.command_line import main

    sys.exit(main())
