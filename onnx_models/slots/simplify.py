"""Remove the leftovers of tracing from a graph: constant nodes, shape arithmetic, and reshapes that cancel out.

A decode step of a small model is bound by the number of its nodes, so this is most of the speed of a slot graph at a
batch of one (docs/decisions/0009).
"""

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnx_models.slots.editing import prune, renamed_nodes, replace
from onnx_models.slots.reshapes import fold_shapes, infer_shapes, settle_reshapes


def simplify(model: ModelProto) -> None:
    """Simplify a traced graph in place, without a change of its inputs, its outputs or its numbers."""
    graph = model.graph
    _collect_constants(graph)
    _merge_transposes(graph)
    num_nodes = None
    # Until nothing changes: each round removes nodes that shape inference could not see through.
    while num_nodes != len(graph.node):
        num_nodes = len(graph.node)
        shapes = infer_shapes(model)
        fold_shapes(model, shapes)
        settle_reshapes(graph, shapes)
        prune(graph)
    # These describe tensors of which many are gone now.
    del graph.value_info[:]
    for output in graph.output:
        elem_type = output.type.tensor_type.elem_type
        output.CopyFrom(helper.make_tensor_value_info(output.name, elem_type, shapes[output.name]))


def share_tied(graph: GraphProto, embedding: NDArray[np.float32]) -> None:
    """Replace a transposed copy of the embedding [vocabulary, width] by a Transpose node.

    The tracer folds the transpose of a tied output layer into a second constant. With the node, the file holds tied
    weights once, and ONNX Runtime transposes them when it loads the graph.
    """
    rows, columns = embedding.shape

    def find(content: NDArray[np.float32]) -> TensorProto | None:
        alike = (tensor for tensor in graph.initializer if tuple(tensor.dims) == content.shape)
        return next((tensor for tensor in alike if np.array_equal(numpy_helper.to_array(tensor), content)), None)

    original, copy = find(embedding), find(embedding.T)
    # If the embedding were square, both searches could find the same tensor.
    if original and copy and rows != columns:
        # At the front, because nodes must be in the order of their execution.
        graph.node.insert(0, helper.make_node("Transpose", [original.name], [copy.name], "tied", perm=[1, 0]))
        graph.initializer.remove(copy)


def _collect_constants(graph: GraphProto) -> None:
    """Turn Constant nodes into initializers, one for equal constants, and remove Identity nodes."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    names: dict[str, str] = {}
    for node in renamed_nodes(graph, names):
        # The node stays until `prune` decides: its output may be one of the graph's.
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
    """Merge two consecutive Transpose nodes into one, or into none if they undo each other."""
    names: dict[str, str] = {}
    made: dict[str, NodeProto] = {}
    for node in renamed_nodes(graph, names):
        before = made.get(node.input[0]) if node.op_type == "Transpose" else None
        if before and before.op_type == "Transpose":
            first, then = (list(helper.get_node_attr_value(transpose, "perm")) for transpose in (before, node))
            order = [first[axis] for axis in then]
            if order == sorted(order):
                names[node.output[0]] = before.input[0]
            # The first of the two stays, since other nodes may read it; if none does, `prune` removes it.
            node.input[0] = before.input[0]
            node.attribute[0].ints[:] = order
        made |= dict.fromkeys(node.output, node)
