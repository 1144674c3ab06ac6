"""The first step of every export of a classic network: check the request and load the network."""

from collections.abc import Sequence
from typing import Any

from onnx_models.classic.networks.base import AnyNetwork, load
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest


def open_network(
    request: ExportRequest, network_type: type[AnyNetwork], tasks: Sequence[str]
) -> tuple[AnyNetwork, Any]:
    """Return the network of a request for one of the tasks, and its config.

    Raises:
        ExportError: the request is for another task, or the network can't be loaded.
    """
    if request.task not in tasks:
        raise ExportError(f"{request.source.name}: such a network does {' or '.join(tasks)}, not {request.task}")
    network = load(network_type, request.source.folder)
    return network, network.config


def longest_input(request: ExportRequest, limit: int) -> int:
    """Return the longest input: the network's limit, or a smaller one that is requested.

    Raises:
        ExportError: more is requested than the network allows.
    """
    requested = request.max_tokens or limit
    if requested > limit:
        raise ExportError(f"--max-tokens {requested}: the network was made for {limit}")
    return requested
