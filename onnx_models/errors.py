"""What can go wrong between weights and a model package; the command line prints the message and exits with 1.

ExportError
└── ParityError
"""

from collections.abc import Iterator
from contextlib import contextmanager


class ExportError(Exception):
    """The package can't be made or checked; the message says why and what to do."""


class ParityError(ExportError):
    """The package does not answer as the torch model does."""


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn whatever a foreign library raises over a file it can't use into ``ExportError(what)``.

    transformers and optimum raise nearly every kind of exception for a source that they can't take, so no list of
    kinds would hold.
    """
    try:
        yield
    except Exception as error:
        raise ExportError(f"{what}: {type(error).__name__}: {error}") from error
