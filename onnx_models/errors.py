"""What can go wrong between weights and a model package; the command line prints the message and exits with 1.

ExportError
└── ParityError
"""


class ExportError(Exception):
    """The package can't be made or checked; the message says why and what to do."""


class ParityError(ExportError):
    """The package does not answer as the torch model does."""
