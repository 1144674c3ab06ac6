"""Functions that tests run in a child process."""

import json
import os
import signal
import time
from pathlib import Path

from contracts.errors import InvalidRequest


def reversed_bytes(argument: bytes) -> bytes:
    return argument[::-1]


def burn(argument: bytes) -> bytes:
    """Use as many seconds of CPU time as the argument says, in Python code."""
    end = time.process_time() + float(argument)
    while time.process_time() < end:
        pass
    return b"burnt"


def refuse(argument: bytes) -> bytes:
    raise InvalidRequest("Expected something else.", param=argument.decode())


def fail(argument: bytes) -> bytes:
    raise KeyError(argument)


def fill(argument: bytes) -> bytes:
    return bytes(int(argument))


def fill_slowly(argument: bytes) -> bytes:
    pieces = [bytearray(1 << 20) for _ in range(int(argument))]
    return str(len(pieces)).encode()


def die_once(argument: bytes) -> bytes:
    """Be killed by somebody else, unless the file is there that the argument names."""
    marker = Path(argument.decode())
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return b"survived"


def die(argument: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def variables(argument: bytes) -> bytes:
    return json.dumps(dict(os.environ)).encode()
