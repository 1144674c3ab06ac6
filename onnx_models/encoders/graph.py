"""Write the graph of an encoder, and read its outputs."""

import shutil
import tempfile
from pathlib import Path

import onnx

from onnx_models.encoders.images.clip import export_tower, is_tower
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.optimum_exporter import run_optimum


def write_graph(request: ExportRequest, architecture: str, optimum_task: str, folder: Path) -> None:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB), and none of the other files that optimum writes.

    Raises:
        ExportError: the source can't be exported for this task.
    """
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        if is_tower(architecture, request.task):
            export_tower(request, Path(scratch))
        else:
            run_optimum(request.source, optimum_task, Path(scratch), opset=request.opset)
        for path in sorted(Path(scratch).glob("model.onnx*")):
            shutil.move(path, folder / path.name)


def width_of(folder: Path, expected: tuple[str, ...]) -> int:
    """Return the last dimension of the graph's first output: the size of vectors, or the number of labels.

    Raises:
        ExportError: the graph has other outputs than expected.
    """
    outputs = onnx.load(folder / "model.onnx", load_external_data=False).graph.output
    names = tuple(output.name for output in outputs)
    # Outputs follow from the class that optimum loads, so other names mean that it is another model than expected.
    if names != expected:
        raise ExportError(f"the graph returns {', '.join(names)}; expected {', '.join(expected)}")
    return int(outputs[0].type.tensor_type.shape.dim[-1].dim_value)
