"""Half precision: numbers of 16 bits instead of 32, for GPUs. CPUs convert them back and are no faster."""

from pathlib import Path

import onnx

from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.optimum_exporter import quiet
from onnx_models.quantization.graphs import graphs_in, save_graph

_CARRIED = ("past_key_values.", "present.", "mems.", "new_mems.", "hidden", "cell", "new_hidden", "new_cell")
"""Beginnings of the names of what a graph hands on to its next call: kept in half precision, so that no step converts
it there and back. All other inputs and outputs stay float32."""


def halve(file: Path) -> None:
    """Rewrite a graph file in half precision.

    Raises:
        ExportError: the graph has branches, or the tool can't do it.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(file, load_external_data=False)
    if len([*graphs_in(model.graph)]) > 1:
        raise ExportError(
            f"{file.name}: a graph with branches can't be had in half precision: its weights belong to several graphs, "
            "and the tool converts one at a time. int8 makes it smaller"
        )
    names = [tensor.name for tensor in (*model.graph.input, *model.graph.output)]
    with refusing(f"{file.name}: ONNX Runtime can't convert it to half precision"), quiet():
        kept = [name for name in names if not name.startswith(_CARRIED)]
        save_graph(convert_float_to_float16(str(file), keep_io_types=kept), file)
