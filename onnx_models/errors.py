"""Errors of exporting and verifying; the command line prints the message and exits with status 1.

ExportError
└── ParityError
"""

from collections.abc import Iterator
from contextlib import contextmanager


class ExportError(Exception):
    """A package can't be exported or checked; the message says why and what to do."""


class ParityError(ExportError):
    """The package's outputs differ from those of the torch model."""


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn any exception of a library that can't use a file into ``ExportError(what)``."""
    try:
        yield
    except Exception as error:  # transformers and optimum raise nearly every type for an unsupported source
        raise ExportError(f"{what}: {type(error).__name__}: {error}") from error
