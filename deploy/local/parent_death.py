"""Runs a command that ends when its parent ends: ``python parent_death.py PARENT_PID SIGNAL COMMAND…``.

The kernel is asked to signal this process when its parent dies (``PR_SET_PDEATHSIG``). Then the process becomes the
command, since the request survives ``exec``. This is a program and not a ``preexec_fn``, because that may deadlock in
a parent that has threads. Only Linux has this signal; elsewhere the children of a supervisor that is killed with
SIGKILL go on.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the command."""
    parent, death_signal, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(parent):
            # The parent died before the request was in place, so no signal would ever come.
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - a list, so there is no shell to be fooled


if __name__ == "__main__":
    main()
