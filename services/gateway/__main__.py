"""Start the gateway, or one of its commands: `python -m services.gateway`."""

import sys

from contracts.broken_pipe import ending_with_its_reader
from contracts.interrupts import let_interrupts_end

if __name__ == "__main__":
    let_interrupts_end()
    from services.gateway.command_line import main

    sys.exit(ending_with_its_reader(main))
