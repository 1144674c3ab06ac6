"""Dynamic quantisation: weights as 8-bit integers, and activations with a scale that is computed in each call.

The scale is that of the whole batch, so a row's output depends on the batch composition.
"""

import logging
import tempfile
from pathlib import Path

from onnx import TensorProto

from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import quiet
from onnx_models.quantization.graphs import load_graph, save_graph

_OPTIONS = {
    "EnableSubgraph": True,  # the branches of merged decoders; without it they would stay fp32
    "MatMulConstBOnly": True,  # in attention, both factors are activations, and both would be rounded
    "DefaultTensorType": TensorProto.FLOAT,  # for outputs of ONNX Runtime's own operators, which have no inferred type
}


def quantize_dynamic(file: Path) -> None:
    """Rewrite a graph file with ONNX Runtime's own tool, with a scale for each column of a matrix.

    Raises:
        ExportError: the tool fails for this graph.
    """
    from onnxruntime.quantization import quantize_dynamic as quantize

    # With 8-bit weights it may still be larger than a protobuf message can be, so the tool writes the original's form.
    large = file.with_name(f"{file.name}_data").exists()
    logging.disable(logging.WARNING)  # it recommends a preprocessing that optimum has done already
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch, quiet():
            whole = Path(scratch) / file.name
            with refusing(f"{file.name}: ONNX Runtime can't quantise it dynamically"):
                # One scale for each column: for MiniLM the smallest cosine is 0.991, with one scale for a matrix 0.953.
                quantize(file, whole, per_channel=True, use_external_data_format=large, extra_options=dict(_OPTIONS))
            # Written once more, since only `save_graph` knows whether the smaller graph still needs a second file.
            save_graph(load_graph(whole), file)
    finally:
        logging.disable(logging.NOTSET)
