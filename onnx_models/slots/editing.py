"""Helpers to edit an ONNX graph in place."""

from collections.abc import Iterable, Iterator
from typing import Any

from onnx import GraphProto, NodeProto


def renamed_nodes(graph: GraphProto, names: dict[str, str]) -> Iterator[NodeProto]:
    """Yield the nodes in order, with their inputs renamed according to what the caller has replaced so far.

    Args:
        graph: its nodes must be in the order of their execution.
        names: old to new names of tensors; the caller adds to it while it iterates. Outputs of the graph must not be
            renamed.
    """
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        yield node


def prune(graph: GraphProto) -> None:
    """Remove nodes and weights that no output depends on."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    replace(graph.node, reversed(kept))
    replace(graph.initializer, (tensor for tensor in graph.initializer if tensor.name in needed))


def replace(repeated: Any, items: Iterable[Any]) -> None:
    """Set the items of a repeated field of a protocol buffer, which can't be assigned to."""
    kept = list(items)
    del repeated[:]
    repeated.extend(kept)
