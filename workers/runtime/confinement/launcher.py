"""Give up what a process could do harm with, then run a program: `python -I launcher.py MEMORY_BYTES PROGRAM ARG...`.

`workers.runtime.confinement.start` starts this file by its path. It imports nothing but the standard library, and the
limits hold before the program's first line.
"""

import ctypes
import resource
import runpy
import sys
from contextlib import suppress
from pathlib import Path

_LIMITS = {
    # Enough to import modules.
    resource.RLIMIT_NOFILE: 32,
    # No byte can be written to a file, but pipes are no files.
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    # No new process and no new thread. The kernel does not apply this one to root.
    resource.RLIMIT_NPROC: 0,
}
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def confine(memory_bytes: int) -> None:
    """Limit this process, for good. Linux does not enforce a limit of resident memory, so address space is limited."""
    # If memory gets scarce, this process goes and not its worker. Some sandboxes have no such file.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # A network namespace of its own has no way out. Who is not root needs a user namespace for that, which some systems
    # forbid; there the process keeps the network, and an empty environment with no address and no password.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    for limit, value in {**_LIMITS, resource.RLIMIT_AS: memory_bytes}.items():
        _, hard = resource.getrlimit(limit)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))


if __name__ == "__main__":
    confine(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
