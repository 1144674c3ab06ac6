"""ONNX Runtime sessions for comparisons, and the ways to run one: by names, or with caches that change in place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from contracts.model_package.package import ModelPackage

Array = NDArray[Any]
Floats = NDArray[np.float32]
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(bool)": bool}
"""numpy's types by ONNX Runtime's names for them."""
POSITION_ERRORS = (IndexError, RuntimeError, InvalidArgument, RuntimeException, Fail)
"""Errors of torch and ONNX Runtime for a position beyond the end of the model's table of positions."""


def open_session(
    package: ModelPackage, graph: str = "model.onnx", *, prepack: bool = True
) -> onnxruntime.InferenceSession:
    """Open a package's graph on CPU, with threads that do not spin while they wait, as in workers.

    Without ``prepack``, weights are held once, instead of once more for each branch of the graph that uses them.
    """
    options = onnxruntime.SessionOptions()
    # Spinning threads of an idle session take the cores from the session that runs, and a comparison has several.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not prepack:
        options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(package.file(graph), options, providers=["CPUExecutionProvider"])


def run_graph(session: onnxruntime.InferenceSession, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Run a graph and return its outputs by name.

    ``feed`` may hold more than the graph takes; what it takes is converted to the type of the input.
    """
    # By name, since the order of inputs and outputs follows each model's forward signature.
    arrays = {
        tensor.name: np.asarray(feed[tensor.name]).astype(DTYPES[tensor.type], copy=False)
        for tensor in session.get_inputs()
    }
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def run_in_place(
    session: onnxruntime.InferenceSession, feed: Mapping[str, Array], buffers: Mapping[str, Array], slots: slice
) -> Floats:
    """Run a slot graph over a range of slots, with the same memory bound as past and as present.

    Args:
        session: of the graph.
        feed: the other inputs.
        buffers: by the names of the inputs ``past_key_values.*``, [slots, heads, max_length, size]; changed in place.
        slots: adjacent ones, the rows of this call.

    Returns:
        The logits, float32 [rows, vocabulary].
    """
    binding = session.io_binding()
    # Outputs come back in the order in which they are bound, so the logits are the first.
    binding.bind_output("logits")
    for name, array in feed.items():
        binding.bind_cpu_input(name, array)
    for name, buffer in buffers.items():
        part = buffer[slots]
        memory = ("cpu", 0, part.dtype, part.shape, part.ctypes.data)
        binding.bind_input(name, *memory)
        binding.bind_output(present_of(name), *memory)
    session.run_with_iobinding(binding)
    return binding.get_outputs()[0].numpy().astype(np.float32)


def present_of(name: str) -> str:
    """Return the output that holds the new content of a cache input."""
    return name.replace("past_key_values", "present")


def pad_right(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids as one batch, padded on the right with id 0, and the mask: int64 [rows, longest] each."""
    shape = len(rows), max(1, *(len(row) for row in rows))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)], mask[index, : len(row)] = row, 1
    return ids, mask
