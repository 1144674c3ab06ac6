"""ONNX Runtime sessions, made the one way that serving needs them. Step 6 on the path of a job."""

import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from contracts.model_package.files import open_regular
from contracts.model_package.onnx_header import read_header
from contracts.model_package.package import ModelPackage, PackageError
from contracts.model_package.signatures import MERGED_DECODER, signatures_of
from contracts.model_package.tensors import TensorInfo, find_mismatch
from workers.runtime.inference.binding import Binding
from workers.runtime.inference.shared_weights import shared_weights

Array = npt.NDArray[Any]
_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


class DeviceError(Exception):
    """The device that was asked for is not the one the session runs on."""


class Session:
    """A loaded graph: named arrays in, named arrays out.

    Args:
        graph: the ONNX file.
        device: cpu or cuda.
        threads: of one call.
        weights: the other files in which the graph keeps weights, by the names that it gives them.
        shared: weights that lie in memory already, by their names in the graph.
        prepack: whether weights are held in the order in which products read them. A graph with branches would hold
            them once for each branch.

    Raises:
        DeviceError: the graph would run on another device than ``device``.
        PackageError: the graph can't be loaded.
    """

    def __init__(
        self,
        graph: Path,
        *,
        device: str,
        threads: int,
        weights: Mapping[str, Path] = MappingProxyType({}),
        shared: Mapping[str, onnxruntime.OrtValue] = MappingProxyType({}),
        prepack: bool = True,
    ) -> None:
        options = _options(threads, prepack=prepack)
        if _PROVIDERS[device][0] not in onnxruntime.get_available_providers():
            raise DeviceError(
                f"asked for {device}, but the installed ONNX Runtime has no {_PROVIDERS[device][0]}: "
                "install onnxruntime-gpu instead of onnxruntime, in an environment of its own"
            )
        mapped = _hand_over(weights, options)
        for name, value in shared.items():
            options.add_initializer(name, value)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS[device])
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise PackageError(f"{graph}: ONNX Runtime can't load it: {error}") from error
        del mapped
        running = self._session.get_providers()
        # ONNX Runtime falls back to the CPU without an error; a worker that was placed on a GPU must not.
        if running[0] != _PROVIDERS[device][0]:
            raise DeviceError(
                f"asked for {device}, but ONNX Runtime runs on {running[0]}: check the driver, CUDA 13 and cuDNN 9"
            )
        self._shared = shared
        """Must live as long as the session, which reads them where they lie."""
        self.device = device
        self.inputs = {node.name: _declared(node) for node in self._session.get_inputs()}
        self.outputs = {node.name: _declared(node) for node in self._session.get_outputs()}

    def run(self, output: str, feeds: dict[str, npt.NDArray[np.int64]]) -> Array:
        """Run the graph once and return the output of that name."""
        (result,) = self._session.run([output], feeds)
        return np.asarray(result)

    def dims(self, name: str, *axes: int) -> tuple[int, ...]:
        """Return dimensions of an input that are the same in every call.

        Raises:
            PackageError: the graph does not state them.
        """
        dims = [self.inputs[name].shape[axis] for axis in axes]
        if None in dims:
            raise PackageError(f"the graph does not say how large {name} is: {list(self.inputs[name].shape)}")
        return tuple(dim for dim in dims if dim is not None)

    def binding(self) -> Binding:
        """Return a new binding, for graphs that read and write memory where it lies."""
        return Binding(self._session.io_binding(), self._session, self.device)


def open_graphs(package: ModelPackage, *, device: str, threads: int) -> Mapping[str, Session]:
    """Load the graphs that a package of its kind has, by file name.

    Raises:
        DeviceError: see ``Session``.
        PackageError: a graph is missing, can't be loaded, or takes or answers something else than its kind.
    """
    manifest, sessions = package.manifest, dict[str, Session]()
    signatures = signatures_of(manifest)
    graphs = {name: package.file(name) for name in signatures}
    headers = {name: read_header(graph) for name, graph in graphs.items()}
    shared = shared_weights([(graphs[name], header) for name, header in headers.items()]) if device == "cpu" else {}
    for name, signature in signatures.items():
        graph = graphs[name]
        session = sessions[name] = Session(
            graph,
            device=device,
            threads=threads,
            weights={other: package.file(other) for other in headers[name].external_files},
            shared=shared,
            prepack=name != MERGED_DECODER,
        )
        mismatch = find_mismatch(signature, session.inputs, session.outputs)
        if mismatch:
            raise PackageError(
                f"{graph}: not the graph of a {manifest.graph.kind} for {manifest.task.name}: {mismatch}"
            )
    return sessions


def _options(threads: int, *, prepack: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait halve the throughput as soon as somebody else needs the core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "0" if prepack else "1")
    # Memory plans are kept for each shape of input. Nearly every batch has its own, so they only piled up: 50 MB.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options


def _hand_over(weights: Mapping[str, Path], options: Any) -> list[Any]:
    """Let ONNX Runtime copy weights that lie beside their graph; return what must live until it has.

    By itself it would map those files for as long as the session lives. Then a file that is written in place, as a copy
    of a new version is, would change the answers of the old one, and a file that is cut off would end the process.
    """
    buffers: list[Any] = []
    for path in weights.values():
        with open_regular(path) as file:
            empty = not os.fstat(file.fileno()).st_size  # which can't be mapped
            buffers.append(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if buffers:
        options.add_external_initializers_from_files_in_memory(list(weights), buffers, list(map(len, buffers)))
    return buffers


def _declared(node: Any) -> TensorInfo:
    """Return what ONNX Runtime says of an input or output: ``tensor(int64)``, and numbers or names for dimensions."""
    kind = str(node.type).removeprefix("tensor(").removesuffix(")")
    dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
    return TensorInfo(dtype, tuple(dim if isinstance(dim, int) else None for dim in node.shape))
