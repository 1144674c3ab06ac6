"""ONNX Runtime sessions, made the one way that serving needs them. Step 6 on the path of a job."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from workers.runtime.model_package import PackageError

Array = npt.NDArray[Any]
_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


class DeviceError(Exception):
    """The device that was asked for is not the one the session runs on."""


class Session:
    """A loaded graph: named arrays in, named arrays out.

    Raises:
        DeviceError: the graph would run on another device than ``device``.
        PackageError: the graph can't be loaded.
    """

    def __init__(self, graph: Path, *, device: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait halve the throughput as soon as somebody else needs the core.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Memory plans are kept for each shape of input. Nearly every batch has its own, so they only piled up: 50 MB.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        if _PROVIDERS[device][0] not in onnxruntime.get_available_providers():
            raise DeviceError(
                f"asked for {device}, but the installed ONNX Runtime has no {_PROVIDERS[device][0]}: "
                "install onnxruntime-gpu instead of onnxruntime, in an environment of its own"
            )
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS[device])
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise PackageError(f"{graph}: ONNX Runtime can't load it: {error}") from error
        running = self._session.get_providers()
        # ONNX Runtime falls back to the CPU without an error; a worker that was placed on a GPU must not.
        if running[0] != _PROVIDERS[device][0]:
            raise DeviceError(
                f"asked for {device}, but ONNX Runtime runs on {running[0]}: check the driver, CUDA 13 and cuDNN 9"
            )
        self.inputs = frozenset(node.name for node in self._session.get_inputs())
        self.outputs = tuple(node.name for node in self._session.get_outputs())

    def run(self, output: str, feeds: dict[str, npt.NDArray[np.int64]]) -> Array:
        """Run the graph once and return the output of that name."""
        (result,) = self._session.run([output], feeds)
        return np.asarray(result)
