"""Replace computed shapes by constant ones.

A tracer writes ``x.view(*x.shape[:-1], heads, size)`` as a dozen nodes that read the shape of ``x`` and assemble a new
one. If ONNX's shape inference finds that the new shape copies dimensions of the tensor, a constant has the same effect:
in Reshape, 0 copies a dimension.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_models.slots.editing import renamed_nodes, replace

Shape = list[int | str | None]
"""Lengths, names of dynamic lengths, and None for unknown ones."""
_ARITHMETIC = frozenset(
    {"Add", "Cast", "Concat", "Div", "Gather", "Mod", "Mul", "Slice", "Squeeze", "Sub", "Unsqueeze"}
)
"""Operators that tracers compute shapes with."""
_SMALL_BYTES = 1024
"""Largest constant whose values are passed to shape inference. Of weights it needs the shape only, and a model with all
weights could exceed the 2 GB of a protocol buffer."""


def infer_shapes(model: ModelProto) -> dict[str, Shape]:
    """Return the shapes of the graph's tensors by name, as far as ONNX can infer them.

    The first input must be [rows, tokens], with any names, or a number for the tokens. ONNX can't infer the outputs of
    ONNX Runtime's operators: `operators` has annotated them as [rows, tokens, width] with unnamed dynamic lengths,
    which get the names of the first input here.
    """
    graph = model.graph
    weights = [tensor for tensor in graph.initializer if _num_bytes(tensor) > _SMALL_BYTES]
    small = [tensor for tensor in graph.initializer if _num_bytes(tensor) <= _SMALL_BYTES]
    stand_ins = [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in weights]
    names = [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim]
    for info in graph.value_info:
        # Not strict: annotated tensors have more dimensions than the input, and only rows and tokens have names.
        for dim, name in zip(info.type.tensor_type.shape.dim, names, strict=False):
            if name:
                dim.dim_param = name
    inputs = [*graph.input, *stand_ins]
    light = helper.make_graph(graph.node, "light", inputs, graph.output, small, value_info=graph.value_info)
    # data_prop: values of small shape tensors are inferred too. Otherwise the shape after a Reshape stays unknown.
    found = onnx.shape_inference.infer_shapes(
        helper.make_model(light, opset_imports=model.opset_import, ir_version=model.ir_version), data_prop=True
    ).graph
    infos = [*found.value_info, *found.input, *found.output]
    return {info.name: _shape(info) for info in infos if info.type.tensor_type.HasField("shape")}


def fold_shapes(model: ModelProto, shapes: dict[str, Shape]) -> None:
    """Evaluate nodes whose inputs are constants or known lengths."""
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer if _num_bytes(tensor) <= _SMALL_BYTES}
    read: dict[str, Shape] = {}  # outputs of Shape nodes
    for node in graph.node:
        name, found = node.output[0], None
        # With a start or an end as attributes, Shape reads a part of the shape only.
        if node.op_type == "Shape" and node.input[0] in shapes and not node.attribute:
            read[name] = shapes[node.input[0]]
        elif node.op_type == "Gather" and node.input[0] in read and node.input[1] in values:
            index = numpy_helper.to_array(values[node.input[1]])
            lengths = [read[node.input[0]][axis] for axis in index.flat]
            if all(isinstance(length, int) for length in lengths):
                found = np.array(lengths).reshape(index.shape)
        elif node.op_type in _ARITHMETIC and all(value in values for value in node.input):
            found = _run(model, node, {value: numpy_helper.to_array(values[value]) for value in node.input})
        if found is not None:
            values[name] = numpy_helper.from_array(np.asarray(found), name)
            graph.initializer.append(values[name])
    replace(graph.node, (node for node in graph.node if node.output[0] not in values))


def settle_reshapes(graph: GraphProto, shapes: dict[str, Shape]) -> None:
    """Merge consecutive Reshape nodes into one with a constant shape, or into none if the shape does not change."""
    names: dict[str, str] = {}
    made: dict[str, NodeProto] = {}
    for node in renamed_nodes(graph, names):
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
    """Return whether a reshape changes nothing. If all lengths but one are equal, that one is equal too."""
    return len(old) == len(new) and sum(a is None or a != b for a, b in zip(old, new, strict=True)) <= 1


def _constant_shape(old: Shape, new: Shape) -> list[int] | None:
    """Return the shape input of a Reshape: lengths, 0 for a copied dimension, at most one -1 for the remaining one."""
    constant = [
        length if isinstance(length, int) else 0 if length and old[axis : axis + 1] == [length] else -1
        for axis, length in enumerate(new)
    ]
    return constant if constant.count(-1) <= 1 else None


def _add_shape(graph: GraphProto, shape: list[int]) -> str:
    """Return the name of an initializer with these lengths."""
    name = "shape_" + "_".join(map(str, shape))
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    return name


def _run(model: ModelProto, node: NodeProto, feed: dict[str, NDArray[Any]]) -> Any:
    """Evaluate a node and return its only output."""
    inputs = [helper.make_empty_tensor_value_info(name) for name in feed]
    outputs = [helper.make_empty_tensor_value_info(node.output[0])]
    alone = helper.make_graph([node], "alone", inputs, outputs)
    return ReferenceEvaluator(helper.make_model(alone, opset_imports=model.opset_import)).run(None, feed)[0]


def _num_bytes(tensor: TensorProto) -> int:
    # Not the length of raw_data: small tensors may hold their values in other fields.
    return int(np.prod(tensor.dims, dtype=np.int64)) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _shape(info: onnx.ValueInfoProto) -> Shape:
    dims = info.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims]
