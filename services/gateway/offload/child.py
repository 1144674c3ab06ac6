"""The gateway's side of one child process: starts it, sends it a call, and kills it when a call goes wrong."""

import os
import signal
import sys

import gevent
import gevent.socket
import gevent.subprocess
import msgspec

from contracts.errors import by_code
from services.gateway.offload import frames
from services.gateway.offload.errors import CallFailed, CallLimitExceeded
from services.gateway.offload.frames import Call, Reply

MEMORY_BYTES = 1 << 30
"""Address space of a child, in which Python itself takes some 50 MB."""
_WALL_FACTOR = 10
"""How much longer than its CPU time a call may take: the child yields the processor to everybody else."""
_BY_ITS_CALL = (-signal.SIGPROF, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)
"""Exit codes that follow from the call: its time is over, or C code got no memory."""


class ChildDied(Exception):
    """The child was killed, or could not start; its call may be run by another one."""


class Child:
    """One running child process. Calls must take turns."""

    def __init__(self) -> None:
        self._ended = False
        self._connection, theirs = gevent.socket.socketpair()
        with theirs:
            self._process = gevent.subprocess.Popen(
                [sys.executable, "-m", "services.gateway.offload", str(os.getpid()), str(MEMORY_BYTES)],
                stdin=theirs.fileno(),
                stdout=gevent.subprocess.DEVNULL,
                # Passwords of the store are in the gateway's environment. The child only needs to find its modules.
                env={"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                start_new_session=True,  # Ctrl-C in the gateway's terminal must reach the gateway alone
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return int(self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether the child can take another call."""
        return not self._ended and self._process.poll() is None

    def call(self, call: Call, argument: bytes) -> bytes:
        """Run a call and return its result. After any error but that of the call itself the child is dead.

        Raises:
            TriptychError: the function raised it.
            CallFailed: the function raised something else.
            CallLimitExceeded: it took too much time or memory.
            ChildDied: the child ended for another reason.
        """
        try:
            with gevent.Timeout(call.cpu_s * _WALL_FACTOR, CallLimitExceeded("a call took too long")):
                frames.send(self._connection, call, argument)
                head, result = frames.receive(self._connection, pause=_pause)
        except (EOFError, OSError) as error:
            code = self.end()
            raise CallLimitExceeded(f"exit code {code}") if code in _BY_ITS_CALL else ChildDied(f"{code}") from error
        except BaseException:
            # Also if the greenlet is killed: the reply that is still to come would be taken for that to the next call.
            self.end()
            raise
        return self._result(msgspec.json.decode(head, type=Reply), result)

    def end(self) -> int:
        """Kill the child and return its exit code."""
        self._ended = True
        self._connection.close()
        if self._process.poll() is None:
            self._process.kill()
        return int(self._process.wait())

    def _result(self, reply: Reply, result: bytes) -> bytes:
        if reply.outcome == "done":
            return result
        if reply.outcome == "refused":
            raise by_code(reply.code)(reply.message, param=reply.param)
        if reply.outcome == "failed":
            raise CallFailed(reply.message)
        self.end()
        raise CallLimitExceeded("a call needs too much memory")


def _pause() -> None:
    gevent.sleep(0)
