"""From a traced graph to the file that a package holds, and what becomes of whatever stands in the way."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from onnx_models.errors import ExportError
from onnx_models.slots.cache import NoSlotsError
from onnx_models.slots.simplify import share_tied, simplify

_MAX_FILE_BYTES = 2_000_000_000
"""A protocol buffer ends at 2 GiB."""


@contextmanager
def scratch_folders(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Give a folder for traced graphs and one for finished ones, whose files are moved into ``folder`` in the end.

    Raises:
        NoSlotsError: in the place of any ExportError; nothing is moved then.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
            traced, finished = Path(scratch) / "traced", Path(scratch) / "finished"
            traced.mkdir()
            finished.mkdir()
            yield traced, finished
            for path in finished.iterdir():
                shutil.move(path, folder / path.name)
    except ExportError as error:
        reason = error.__cause__ if isinstance(error.__cause__, NoSlotsError) else error
        raise NoSlotsError(str(reason).splitlines()[0]) from error


def finish(model: Any, traced: Path, path: Path) -> None:
    """Simplify a traced graph of ``model`` and write it, its weights beside it if one file can't hold them."""
    graph = onnx.load(traced)
    types = {tensor.name.replace("past_key_values", "present"): tensor.type for tensor in graph.graph.input}
    for output in graph.graph.output:
        if output.name in types:
            output.type.CopyFrom(types[output.name])  # the tracer can't know that a buffer keeps its shape
    simplify(graph)
    share_tied(graph.graph, model.get_input_embeddings().weight.numpy(force=True))
    num_bytes = sum(len(tensor.raw_data) for tensor in graph.graph.initializer)
    beside = {"save_as_external_data": True, "location": f"{path.name}_data"} if num_bytes > _MAX_FILE_BYTES else {}
    onnx.save(graph, path, **beside)


def run(path: Path, outputs: list[str], feed: dict[str, NDArray[Any]]) -> list[Any]:
    """Run a finished graph once.

    Raises:
        NoSlotsError: ONNX Runtime can't.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return list(session.run(outputs, feed))
    except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
        raise NoSlotsError("ONNX Runtime can't run its slot graph") from error
