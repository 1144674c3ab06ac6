"""Ties a process to the life of its parent, so that none goes on alone after a parent that was killed."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int) -> None:
    """Let the kernel kill this process when its parent ends; end it now if the parent has ended already.

    ``parent_pid`` is what the parent says that its id is. The signal comes when the *thread* ends that made this
    process. Only Linux has it (``PR_SET_PDEATHSIG``); elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent_pid:
        # The parent died before the request was in place, so no signal would ever come.
        sys.exit(1)
