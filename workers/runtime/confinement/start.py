"""Starts a program in a confined process."""

import subprocess
import sys
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")


def start_confined(program: Path, *arguments: str, memory_bytes: int) -> "subprocess.Popen[bytes]":
    """Start a Python program, with pipes for its standard input and output, and nothing else.

    Its environment is empty, since a worker's own has the password of the store. It can't write files, and where the
    system permits it there is no network.

    Args:
        program: path of the program. It can import installed packages, and of the house what it finds by its own path.
        arguments: of the program.
        memory_bytes: address space that it may use.
    """
    return subprocess.Popen(
        # -I: neither the working directory nor files of the user can change what the process imports. -B: it could not
        # write bytecode.
        [sys.executable, "-I", "-B", str(_LAUNCHER), str(memory_bytes), str(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # nobody reads it, and a full pipe would block the process
        env={},
        cwd="/",
        process_group=0,  # Ctrl-C in the worker's terminal must reach the worker alone
    )
