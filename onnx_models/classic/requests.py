"""What every classic network asks of a request."""

from collections.abc import Sequence

from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest


def check_task(request: ExportRequest, tasks: Sequence[str]) -> None:
    """Raise ExportError unless the request is for one of the tasks."""
    if request.task not in tasks:
        raise ExportError(f"{request.source.name}: such a network does {' or '.join(tasks)}, not {request.task}")


def max_tokens(request: ExportRequest, known: int) -> int:
    """Return the longest input: the network's own, or a smaller one that was asked for.

    Raises:
        ExportError: more was asked than the network has.
    """
    asked = request.max_tokens or known
    if asked > known:
        raise ExportError(f"--max-tokens {asked}: the network was made for {known}")
    return asked
