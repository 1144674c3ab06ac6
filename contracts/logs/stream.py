"""A stream into which a signal handler may write while the code that it interrupts writes a line."""

import os
from typing import TextIO


class UnbufferedStream:
    """Writes text to the file of another stream at once, as UTF-8.

    Python's buffered streams refuse a second call while one goes on: a log line of a signal handler would end the
    handler with a RuntimeError. Here it comes into the middle of the line at worst.
    """

    def __init__(self, stream: TextIO) -> None:
        self._file = stream.fileno()

    def write(self, text: str) -> None:
        """Write a text. Raises OSError, such as BrokenPipeError."""
        left = text.encode(errors="backslashreplace")
        while left:
            left = left[os.write(self._file, left) :]

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""
