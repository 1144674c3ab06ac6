"""One example of a task that turns a text into another."""

from typing import NamedTuple


class Example(NamedTuple):
    """A text to read, and the text that should be written."""

    source: str
    target: str
