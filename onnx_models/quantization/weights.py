"""Weight-only quantisation: matrices as integers of 8 or 4 bits, in blocks of 32 numbers that share a scale.

The operator is ONNX Runtime's MatMulNBits, whose ContribOperators.md specifies the layout of the weights. It quantises
activations to 8 bits, too, but block by block within a row, so that a row's output does not depend on the batch.

The weights are packed here because ONNX Runtime's own tool stores the matrices of a merged decoder once for each
branch, and leaves out Gemm (all projections of GPT-2) and output layers that share the embedding.
"""

from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnx_models.quantization.graphs import drop_unused, inner_graphs, load_graph, number_of, save_graph

# With blocks of 128 one row gets other bits than several rows, so the outputs would depend on the batch.
BLOCK = 32
ACCURACY_LEVEL = 4
"""Activations as 8-bit integers. At level 0, the kernel computes in float32 and is 16 times slower with 8 bits."""
_DOMAIN = "com.microsoft"
_SMALLEST = 4096
"""Smaller matrices, such as classifiers of a few labels, stay float32: they would save nothing."""
_NUM_COLUMNS = 4096
"""Columns that are quantised at a time, which limits the memory for temporary arrays."""
_Constants = ChainMap[str, TensorProto]


class _Matrix(NamedTuple):
    """The constant factor of a product: a tensor [inputs, outputs], or [outputs, inputs] if transposed."""

    tensor: TensorProto
    transposed: bool


class _Quantised(NamedTuple):
    """Names of the constant tensors that hold a quantised matrix, and its size."""

    weights: str
    scales: str
    num_inputs: int
    num_outputs: int


def quantize_weights(file: Path, bits: int) -> int:
    """Rewrite a graph file: products with a constant float32 matrix (MatMul, Gemm) become MatMulNBits.

    If another operator uses a matrix too, such as an embedding that is also the output layer, the original is kept in
    addition to the quantised one.

    Returns:
        The number of products that were rewritten; with 0 the file is unchanged.
    """
    model = load_graph(file)
    quantizer = _Quantizer(model, bits)
    quantizer.rewrite(model.graph, ChainMap(), ChainMap())
    if quantizer.num_products:
        drop_unused(model.graph)
        # Slot graphs import this domain already; optimum's graphs do not.
        if _DOMAIN not in {each.domain for each in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
        save_graph(model, file)
    return quantizer.num_products


class _Quantizer:
    """One pass over a graph and its subgraphs. A matrix of several products is quantised once."""

    def __init__(self, model: ModelProto, bits: int) -> None:
        self.num_products = 0
        self._top = model.graph
        self._bits = bits
        self._done: dict[tuple[str, bool], _Quantised] = {}

    def rewrite(self, graph: GraphProto, outer: _Constants, outer_transposed: _Constants) -> None:
        """Rewrite a graph's products.

        Args:
            graph: rewritten in place, with the graphs inside its nodes.
            outer: constants of the enclosing graphs, by name.
            outer_transposed: constants of the enclosing graphs, by the name of their transposed form.
        """
        constants = outer.new_child({tensor.name: tensor for tensor in graph.initializer})
        transposed = outer_transposed.new_child(dict(_transposed(graph, constants)))
        nodes: list[NodeProto] = []
        for node in graph.node:
            for inner in inner_graphs(node):
                self.rewrite(inner, constants, transposed)
            matrix = _matrix_of(node, constants, transposed)
            nodes.extend(self._product(node, matrix) if matrix else [node])
        # The nodes are elements of the field that is cleared, so they are copied first.
        kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(kept)

    def _product(self, node: NodeProto, matrix: _Matrix) -> Iterator[NodeProto]:
        """Yield the nodes that replace a MatMul or a Gemm."""
        self.num_products += 1
        quantised = self._quantised(matrix)
        bias = list(node.input[2:])
        result = f"{node.output[0]}_product" if bias else node.output[0]
        yield helper.make_node(
            "MatMulNBits",
            [node.input[0], quantised.weights, quantised.scales],
            [result],
            name=f"{node.name or node.output[0]}_quantised",
            domain=_DOMAIN,
            K=quantised.num_inputs,
            N=quantised.num_outputs,
            bits=self._bits,
            block_size=BLOCK,
            accuracy_level=ACCURACY_LEVEL,
        )
        if bias:
            yield helper.make_node("Add", [result, *bias], node.output, name=f"{node.name or node.output[0]}_bias")

    def _quantised(self, matrix: _Matrix) -> _Quantised:
        # The branches of a merged decoder share their matrices, and a tied embedding may be used in both forms.
        key = (matrix.tensor.name, matrix.transposed)
        if key not in self._done:
            array = numpy_helper.to_array(matrix.tensor)
            array = array.T if matrix.transposed else array
            name = f"{matrix.tensor.name}{'_transposed' if matrix.transposed else ''}_{self._bits}bit"
            weights, scales = pack(array, self._bits)
            # Into the outermost graph, where all branches see them.
            for tensor in (numpy_helper.from_array(weights, name), numpy_helper.from_array(scales, f"{name}_scales")):
                self._top.initializer.append(tensor)
            self._done[key] = _Quantised(name, f"{name}_scales", *array.shape)
        return self._done[key]


def _transposed(graph: GraphProto, constants: _Constants) -> Iterator[tuple[str, TensorProto]]:
    for node in graph.node:
        # Tied output layers are the embedding behind a Transpose node.
        if node.op_type == "Transpose" and node.input[0] in constants:
            yield node.output[0], constants[node.input[0]]


def _matrix_of(node: NodeProto, constants: _Constants, transposed: _Constants) -> _Matrix | None:
    """Return the matrix of a product that can be quantised; None for every other node."""
    if node.op_type not in ("MatMul", "Gemm"):
        return None
    name = node.input[1]
    found = _Matrix(transposed[name], True) if name in transposed else None
    found = _Matrix(constants[name], False) if name in constants else found
    if found is None or found.tensor.data_type != TensorProto.FLOAT or len(found.tensor.dims) != 2:
        return None
    if node.op_type == "Gemm":
        # MatMulNBits has no transposed input and no factors.
        if number_of(node, "transA", 0) or number_of(node, "alpha", 1) != 1 or number_of(node, "beta", 1) != 1:
            return None
        found = found._replace(transposed=found.transposed != bool(number_of(node, "transB", 0)))
    return found if np.prod(found.tensor.dims) >= _SMALLEST else None


def pack(matrix: NDArray[np.float32], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise a matrix [inputs, outputs] symmetrically, 32 inputs of one output at a time.

    The number of a block that is farthest from zero is mapped to the lowest integer, so that it is exact: the range of
    integers has one more below zero than above.

    Returns:
        Weights, uint8 [outputs, blocks, bytes], and scales, float32 [outputs, blocks].
    """
    num_inputs, num_outputs = matrix.shape
    num_blocks = -(-num_inputs // BLOCK)
    weights = np.empty((num_outputs, num_blocks, BLOCK * bits // 8), np.uint8)
    scales = np.empty((num_outputs, num_blocks), np.float32)
    for start in range(0, num_outputs, _NUM_COLUMNS):
        part = slice(start, start + _NUM_COLUMNS)
        # The layout has whole blocks only. Zeros do not change the scale of a block that they fill up.
        columns = np.pad(matrix[:, part].T, ((0, 0), (0, num_blocks * BLOCK - num_inputs)))
        weights[part], scales[part] = _pack_blocks(columns.reshape(-1, num_blocks, BLOCK), bits)
    return weights, scales


def _pack_blocks(blocks: NDArray[np.float32], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    half = 1 << (bits - 1)
    farthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1, keepdims=True), axis=-1)
    scales = (farthest / -half).astype(np.float32)
    # A block of zeros has the scale 0, by which nothing can be divided.
    whole = np.rint(blocks / np.where(scales == 0, 1, scales)) + half
    # A number of the opposite sign and the same size would round to one more than the highest integer.
    numbers: NDArray[np.uint8] = whole.clip(0, 2 * half - 1).astype(np.uint8)
    if bits == 4:  # two in a byte, the first one in the lower four bits
        numbers = numbers[..., ::2] | numbers[..., 1::2] << np.uint8(4)
    return numbers, scales[..., 0]
