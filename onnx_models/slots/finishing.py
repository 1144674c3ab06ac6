"""Turn a traced graph into the file of a package, and any failure on the way into a NoSlotsError."""

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
"""A protocol buffer can't be larger than 2 GiB; this leaves room for the nodes."""


@contextmanager
def scratch_folders(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a folder for traced graphs and one for finished ones; at the end, move the finished ones into ``folder``.

    Raises:
        NoSlotsError: instead of any ExportError; no file is moved then.
    """
    try:
        # Next to the package and thus on its file system, so that moving gigabytes of weights is a rename.
        with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
            traced, finished = Path(scratch) / "traced", Path(scratch) / "finished"
            traced.mkdir()
            finished.mkdir()
            yield traced, finished
            for path in finished.iterdir():
                shutil.move(path, folder / path.name)
    except ExportError as error:
        # torch's exporter wraps a NoSlotsError of the traced code, and its message is the better reason.
        reason = error.__cause__ if isinstance(error.__cause__, NoSlotsError) else error
        # One line, because the reason becomes a field of the manifest.
        raise NoSlotsError(str(reason).splitlines()[0]) from error


def finish(model: Any, traced: Path, path: Path) -> None:
    """Simplify a traced graph of ``model`` and write it, with its weights in a second file if one can't hold them."""
    graph = onnx.load(traced)
    types = {tensor.name.replace("past_key_values", "present"): tensor.type for tensor in graph.graph.input}
    for output in graph.graph.output:
        if output.name in types:
            # The tracer can't infer that a present buffer has the shape of the past one.
            output.type.CopyFrom(types[output.name])
    simplify(graph)
    # `force` detaches the weight: numpy refuses a parameter that requires a gradient.
    share_tied(graph.graph, model.get_input_embeddings().weight.numpy(force=True))
    num_bytes = sum(len(tensor.raw_data) for tensor in graph.graph.initializer)
    external = {"save_as_external_data": True, "location": f"{path.name}_data"} if num_bytes > _MAX_FILE_BYTES else {}
    onnx.save(graph, path, **external)


def run(path: Path, outputs: list[str], feed: dict[str, NDArray[Any]]) -> list[Any]:
    """Run a finished graph once.

    Raises:
        NoSlotsError: ONNX Runtime can't.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal: a graph that can't be run is an expected result here
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return list(session.run(outputs, feed))
    except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
        raise NoSlotsError("ONNX Runtime can't run its slot graph") from error
