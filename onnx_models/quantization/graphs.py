"""Read, traverse and write graph files, also with more than 2 GB of weights."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto

_MOST_INLINE_BYTES = 1_800_000_000
"""Most bytes of weights inside a file, since a protobuf message can't reach 2 GiB."""


def load_graph(file: Path) -> ModelProto:
    """Return a graph with all its weights in memory."""
    return onnx.load(file)


def save_graph(model: ModelProto, file: Path, *, most_inline_bytes: int = _MOST_INLINE_BYTES) -> None:
    """Write a graph. If one file can't hold its weights, they go into ``<file>_data``, as in optimum.

    An existing ``<file>_data`` is replaced, or removed if it is not needed any more.
    """
    data = file.with_name(f"{file.name}_data")
    # onnx does not overwrite a data file that exists.
    data.unlink(missing_ok=True)
    num_bytes = sum(len(tensor.raw_data) for graph in graphs_in(model.graph) for tensor in graph.initializer)
    if num_bytes > most_inline_bytes:
        # Small tensors stay in the graph file: shape inference and ONNX Runtime's optimizer read them.
        onnx.save(model, file, save_as_external_data=True, location=data.name, size_threshold=1024)
    else:
        onnx.save(model, file)


def graphs_in(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and the graphs inside its nodes, depth first."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from graphs_in(inner)


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the subgraphs of a node: the branches of an ``If``, the body of a ``Loop``."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def drop_unused(graph: GraphProto) -> None:
    """Remove constant tensors and nodes whose outputs are not used any more."""
    changed = True
    while changed:  # removing a node can leave its inputs unused
        used = {name for each in graphs_in(graph) for node in each.node for name in node.input if name}
        used |= {output.name for each in graphs_in(graph) for output in each.output}
        changed = any([_drop(each, used) for each in graphs_in(graph)])  # a list: every graph must be visited


def _drop(graph: GraphProto, used: set[str]) -> bool:
    nodes = [index for index, node in enumerate(graph.node) if used.isdisjoint(node.output)]
    tensors = [index for index, tensor in enumerate(graph.initializer) if tensor.name not in used]
    for index in reversed(nodes):
        del graph.node[index]
    for index in reversed(tensors):
        del graph.initializer[index]
    return bool(nodes or tensors)


def number_of(node: NodeProto, name: str, default: float) -> float:
    """Return a numeric attribute of a node."""
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)
