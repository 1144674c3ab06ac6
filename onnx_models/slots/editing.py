"""Small tools to edit an ONNX graph in place."""

from collections.abc import Iterable, Iterator
from typing import Any

from onnx import GraphProto, NodeProto


def nodes_of(graph: GraphProto, names: dict[str, str]) -> Iterator[NodeProto]:
    """Go through the nodes in their order, and make them read what the caller puts in the place of earlier outputs.

    Args:
        graph: whose nodes are in the order of their execution.
        names: filled by the caller on the way, old name to new. Outputs of the graph must not be renamed.
    """
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        yield node


def prune(graph: GraphProto) -> None:
    """Drop nodes and weights that no output needs."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    replace(graph.node, reversed(kept))
    replace(graph.initializer, (tensor for tensor in graph.initializer if tensor.name in needed))


def replace(repeated: Any, items: Iterable[Any]) -> None:
    """Set the items of a repeated field of a protocol buffer."""
    kept = list(items)
    del repeated[:]
    repeated.extend(kept)
