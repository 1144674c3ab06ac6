"""Dynamic quantisation: weights as 8-bit integers, and activations with a scale that is found at each call.

That scale is taken over the whole batch, so a row's answer changes with its neighbours.
"""

import logging
import tempfile
from pathlib import Path

from onnx import TensorProto

from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import quiet
from onnx_models.quantization.graphs import load_graph, save_graph

_OPTIONS = {
    "EnableSubgraph": True,  # branches too
    "MatMulConstBOnly": True,  # no products of two activations, which would be rounded on both sides
    "DefaultTensorType": TensorProto.FLOAT,  # of what ONNX Runtime's own operators answer
}


def quantize_dynamic(file: Path) -> None:
    """Rewrite a graph file by ONNX Runtime's own tool, with a scale for each column of a matrix.

    Raises:
        ExportError: the tool can't do this graph.
    """
    from onnxruntime.quantization import quantize_dynamic as quantize

    large = file.with_name(f"{file.name}_data").exists()
    logging.disable(logging.WARNING)  # it advises what optimum has done already
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch, quiet():
            whole = Path(scratch) / file.name
            with refusing(f"{file.name}: ONNX Runtime can't quantise it dynamically"):
                quantize(file, whole, per_channel=True, use_external_data_format=large, extra_options=dict(_OPTIONS))
            save_graph(load_graph(whole), file)
    finally:
        logging.disable(logging.NOTSET)
