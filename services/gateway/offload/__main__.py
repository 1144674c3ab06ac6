"""The child process: ``python -m services.gateway.offload PARENT_PID MEMORY_BYTES``, with a socket as standard input.

It runs one call after the other, each a function that takes bytes and returns bytes, until its parent ends. Limits are
the kernel's, since one long call of C code can't be interrupted from inside (as in docs/decisions/0016). It is started
by ``child.py`` and nothing else. It imports what its calls need and no more: neither Flask nor a client of the store.
Modules of some calls import gevent, which changes nothing here: only the gateway patches the standard library with it.
"""

import contextlib
import gc
import importlib
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from contracts.errors import TriptychError
from contracts.parent_death import end_with_parent
from services.gateway.offload import frames
from services.gateway.offload.frames import Call, Reply

_NICENESS = 5
"""The event loop of the gateway goes first where both want the same processor."""
_MAX_TRACEBACK = 4000


def main() -> None:
    """Answer calls until the parent closes the socket or dies."""
    parent, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    # Elsewhere than on Linux the end of the socket is all there is, and a call that runs sees it when it is done.
    end_with_parent(parent)
    _be_killed_first()
    os.nice(_NICENESS)
    # Address space, since Linux does not enforce a limit of resident memory.
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A parsed body is millions of objects and none of them garbage: each automatic collection would visit them all.
    gc.disable()
    connection = socket.socket(fileno=0)
    connection.setblocking(True)
    while True:
        try:
            head, argument = frames.receive(connection)
        except (EOFError, OSError):
            return
        call = msgspec.json.decode(head, type=Call)
        # The timer counts CPU time, so that a busy machine fails no request. Its signal, SIGPROF, ends the process.
        signal.setitimer(signal.ITIMER_PROF, call.cpu_s)
        reply, result = _run(_function(call.function), argument)
        signal.setitimer(signal.ITIMER_PROF, 0)
        frames.send(connection, reply, result)
        del argument, result
        gc.collect()


def _be_killed_first() -> None:
    """Let the kernel take this process, and not the gateway, when the memory of their container is used up."""
    # Elsewhere than on Linux there is no such file.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _function(name: str) -> Callable[[bytes], bytes]:
    module, _, attribute = name.partition(":")
    found: Callable[[bytes], bytes] = getattr(importlib.import_module(module), attribute)
    return found


def _run(function: Callable[[bytes], bytes], argument: bytes) -> tuple[Reply, bytes]:
    try:
        return Reply("done"), function(argument)
    except TriptychError as error:
        return Reply("refused", error.code, error.message, error.param), b""
    except MemoryError:
        return Reply("memory"), b""
    except Exception:  # the gateway logs it, as it does for its own code
        return Reply("failed", message=traceback.format_exc()[-_MAX_TRACEBACK:]), b""


if __name__ == "__main__":
    main()
