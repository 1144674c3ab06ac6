"""Starts a part of the embedded stack so that it can't outlive its supervisor: ``python leash.py PID SIGNAL COMMAND…``.

The kernel is asked to signal this process when its parent dies, and then the process becomes the command: the
request survives ``exec``. A helper process rather than ``preexec_fn``, which may deadlock in a parent that has threads.
Only Linux has this; elsewhere a supervisor that is killed with SIGKILL leaves its parts running.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, death_signal, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(parent):
            # The supervisor died before the request was in place, so nothing would ever signal us.
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - a list, so there is no shell to be fooled


if __name__ == "__main__":
    main()
