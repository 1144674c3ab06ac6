"""Constant shapes in the place of computed ones.

A tracer writes ``x.view(*x.shape[:-1], heads, size)`` as a dozen nodes that read the shape of ``x`` and put a new one
together. Where ONNX's shape inference finds that such a shape copies dimensions of what is reshaped, a constant says
the same: 0 copies a dimension.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_models.slots.editing import nodes_of, replace

Shape = list[int | str | None]
"""Lengths, names of free lengths, and None for unknown ones."""
_ARITHMETIC = frozenset(
    {"Add", "Cast", "Concat", "Div", "Gather", "Mod", "Mul", "Slice", "Squeeze", "Sub", "Unsqueeze"}
)
"""What tracers compute shapes with."""
_SMALL_BYTES = 1024
"""Constants up to that size take part in shape inference; of weights only the shape does."""


def infer_shapes(model: ModelProto) -> dict[str, Shape]:
    """Return the shapes of the graph's tensors by name, as far as ONNX can tell.

    The first input must be [rows, tokens], by whatever names, or by a number for the tokens. Of operators that ONNX
    does not know, the exporter has written what each answers: [rows, tokens, width], with free lengths left open.
    """
    graph = model.graph
    weights = [tensor for tensor in graph.initializer if _num_bytes(tensor) > _SMALL_BYTES]
    small = [tensor for tensor in graph.initializer if _num_bytes(tensor) <= _SMALL_BYTES]
    stand_ins = [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in weights]
    names = [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim]
    for info in graph.value_info:
        for dim, name in zip(info.type.tensor_type.shape.dim, names, strict=False):
            if name:
                dim.dim_param = name
    inputs = [*graph.input, *stand_ins]
    light = helper.make_graph(graph.node, "light", inputs, graph.output, small, value_info=graph.value_info)
    found = onnx.shape_inference.infer_shapes(
        helper.make_model(light, opset_imports=model.opset_import, ir_version=model.ir_version), data_prop=True
    ).graph
    infos = [*found.value_info, *found.input, *found.output]
    return {info.name: _shape(info) for info in infos if info.type.tensor_type.HasField("shape")}


def fold_shapes(model: ModelProto, shapes: dict[str, Shape]) -> None:
    """Compute what follows from constants and from lengths that are known."""
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer if _num_bytes(tensor) <= _SMALL_BYTES}
    read: dict[str, Shape] = {}  # outputs of Shape nodes
    for node in graph.node:
        name, found = node.output[0], None
        if node.op_type == "Shape" and node.input[0] in shapes and not node.attribute:
            read[name] = shapes[node.input[0]]
        elif node.op_type == "Gather" and node.input[0] in read and node.input[1] in values:
            index = numpy_helper.to_array(values[node.input[1]])
            lengths = [read[node.input[0]][place] for place in index.flat]
            if all(isinstance(length, int) for length in lengths):
                found = np.array(lengths).reshape(index.shape)
        elif node.op_type in _ARITHMETIC and all(value in values for value in node.input):
            found = _run(model, node, {value: numpy_helper.to_array(values[value]) for value in node.input})
        if found is not None:
            values[name] = numpy_helper.from_array(np.asarray(found), name)
            graph.initializer.append(values[name])
    replace(graph.node, (node for node in graph.node if node.output[0] not in values))


def settle_reshapes(graph: GraphProto, shapes: dict[str, Shape]) -> None:
    """Make one Reshape of several that follow each other, to a constant shape, and none where nothing changes."""
    names: dict[str, str] = {}
    made: dict[str, NodeProto] = {}
    for node in nodes_of(graph, names):
        if node.op_type == "Reshape":
            origin = node.input[0]
            while origin in made and made[origin].op_type == "Reshape":
                origin = made[origin].input[0]
            old, new = shapes.get(origin), shapes.get(node.output[0])
            if old and new and _is_same(old, new):
                names[node.output[0]] = origin
            elif old and new and (constant := _constant_shape(old, new)):
                node.input[:] = [origin, _add_shape(graph, constant)]
        made |= dict.fromkeys(node.output, node)


def _is_same(old: Shape, new: Shape) -> bool:
    """Tell whether a reshaped tensor has the shape it had: if all lengths but one are the same, that one is too."""
    return len(old) == len(new) and sum(a is None or a != b for a, b in zip(old, new, strict=True)) <= 1


def _constant_shape(old: Shape, new: Shape) -> list[int] | None:
    """Return a Reshape's second input for these shapes: lengths, 0 for "as before", at most one -1 for "the rest"."""
    wanted = [
        length if isinstance(length, int) else 0 if length and old[axis : axis + 1] == [length] else -1
        for axis, length in enumerate(new)
    ]
    return wanted if wanted.count(-1) <= 1 else None


def _add_shape(graph: GraphProto, shape: list[int]) -> str:
    """Return the name of an initializer with these lengths."""
    name = "shape_" + "_".join(map(str, shape))
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    return name


def _run(model: ModelProto, node: NodeProto, feed: dict[str, NDArray[Any]]) -> Any:
    """Return the one output of a node."""
    inputs = [helper.make_empty_tensor_value_info(name) for name in feed]
    outputs = [helper.make_empty_tensor_value_info(node.output[0])]
    alone = helper.make_graph([node], "alone", inputs, outputs)
    return ReferenceEvaluator(helper.make_model(alone, opset_imports=model.opset_import)).run(None, feed)[0]


def _num_bytes(tensor: TensorProto) -> int:
    return int(np.prod(tensor.dims, dtype=np.int64)) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _shape(info: onnx.ValueInfoProto) -> Shape:
    dims = info.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims]
