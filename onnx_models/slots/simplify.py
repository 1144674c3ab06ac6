"""Take out of a traced graph what tracing leaves behind: constants, shape arithmetic, and reshaping to and fro."""

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnx_models.slots.editing import nodes_of, prune, replace
from onnx_models.slots.reshapes import fold_shapes, infer_shapes, settle_reshapes


def simplify(model: ModelProto) -> None:
    """Simplify a traced graph in place; its inputs and outputs stay, its numbers too."""
    graph = model.graph
    _collect_constants(graph)
    _merge_transposes(graph)
    num_nodes = None
    while num_nodes != len(graph.node):  # each round lets shape inference see further
        num_nodes = len(graph.node)
        shapes = infer_shapes(model)
        fold_shapes(model, shapes)
        settle_reshapes(graph, shapes)
        prune(graph)
    del graph.value_info[:]
    for output in graph.output:
        kind = output.type.tensor_type.elem_type
        output.CopyFrom(helper.make_tensor_value_info(output.name, kind, shapes[output.name]))


def share_tied(graph: GraphProto, embedding: NDArray[np.float32]) -> None:
    """Replace a copy of the embedding [vocabulary, width] that lies transposed in the graph by a Transpose node.

    The file holds tied weights once; ONNX Runtime transposes them when it loads the graph.
    """
    rows, columns = embedding.shape

    def find(wanted: NDArray[np.float32]) -> TensorProto | None:
        alike = (tensor for tensor in graph.initializer if tuple(tensor.dims) == wanted.shape)
        return next((tensor for tensor in alike if np.array_equal(numpy_helper.to_array(tensor), wanted)), None)

    original, copy = find(embedding), find(embedding.T)
    if original and copy and rows != columns:
        graph.node.insert(0, helper.make_node("Transpose", [original.name], [copy.name], "tied", perm=[1, 0]))
        graph.initializer.remove(copy)


def _collect_constants(graph: GraphProto) -> None:
    """Turn Constant nodes into initializers, equal ones into one, and drop Identity nodes."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    names: dict[str, str] = {}
    for node in nodes_of(graph, names):
        if node.op_type == "Identity":
            names[node.output[0]] = node.input[0]
        if node.op_type != "Constant":
            continue
        value = helper.get_node_attr_value(node, "value")
        content = value.data_type, tuple(value.dims), numpy_helper.to_array(value).tobytes()
        names[node.output[0]] = first.setdefault(content, node.output[0])
        if first[content] == node.output[0]:
            value.name = node.output[0]
            graph.initializer.append(value)
    replace(graph.node, [node for node in graph.node if node.op_type != "Constant"])


def _merge_transposes(graph: GraphProto) -> None:
    """Make one Transpose of two that follow each other, and none of two that undo each other."""
    names: dict[str, str] = {}
    made: dict[str, NodeProto] = {}
    for node in nodes_of(graph, names):
        before = made.get(node.input[0]) if node.op_type == "Transpose" else None
        if before and before.op_type == "Transpose":
            first, then = (list(helper.get_node_attr_value(transpose, "perm")) for transpose in (before, node))
            order = [first[axis] for axis in then]
            if order == sorted(order):
                names[node.output[0]] = before.input[0]
            node.input[0] = before.input[0]
            node.attribute[0].ints[:] = order
        made |= dict.fromkeys(node.output, node)
