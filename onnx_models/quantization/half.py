"""Half precision (fp16), for GPUs. ONNX Runtime on CPU converts most operators back to fp32 and is not faster."""

from pathlib import Path

import onnx

from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.optimum_exporter import quiet
from onnx_models.quantization.graphs import graphs_in, save_graph

_STATE_PREFIXES = ("past_key_values.", "present.", "mems.", "new_mems.", "hidden", "cell", "new_hidden", "new_cell")
"""Prefixes of tensors that a graph passes to its next call. They become fp16, so that no step converts them back and
forth; all other inputs and outputs stay float32."""


def halve(file: Path) -> None:
    """Rewrite a graph file in half precision.

    Raises:
        ExportError: the graph has branches, or the tool fails.
    """
    # Not optimum's dtype="fp16", which traces an invalid graph for GPT-2 (a type clash in LayerNormalization).
    from onnxruntime.transformers.float16 import convert_float_to_float16

    # Branches and names are in the graph itself; the tool below loads the weights.
    model = onnx.load(file, load_external_data=False)
    if len([*graphs_in(model.graph)]) > 1:
        raise ExportError(
            f"{file.name}: a graph with branches can't be converted to half precision: several graphs share its "
            "weights, and the tool converts one graph at a time. int8 makes it smaller"
        )
    names = [tensor.name for tensor in (*model.graph.input, *model.graph.output)]
    with refusing(f"{file.name}: ONNX Runtime can't convert it to half precision"), quiet():
        kept = [name for name in names if not name.startswith(_STATE_PREFIXES)]
        # By its path: for a model in memory the tool's shape inference is limited to 2 GB.
        save_graph(convert_float_to_float16(str(file), keep_io_types=kept), file)
