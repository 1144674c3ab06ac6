"""ONNX Runtime sessions with the options that serving needs. Step 6 on the path of a job."""

import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from contracts.model_package.files import open_regular
from contracts.model_package.manifest import Manifest
from contracts.model_package.onnx_header import read_header
from contracts.model_package.package import ModelPackage, PackageError
from contracts.model_package.signatures import MERGED_DECODER, signatures_of
from contracts.model_package.tensors import TensorInfo, find_mismatch
from workers.runtime.inference import cuda, placement
from workers.runtime.inference.binding import Binding, giving_back
from workers.runtime.inference.call_memory import LARGE_BYTES, UNPLANNED, CallMemory, measure
from workers.runtime.inference.shared_weights import shared_weights

Array = npt.NDArray[Any]
# The CPU provider runs the operators that have no CUDA kernel.
_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


class DeviceError(Exception):
    """ONNX Runtime can't run graphs on the configured device."""


class Session:
    """A loaded graph, which maps named input tensors to named output tensors.

    Args:
        graph: the ONNX file.
        device: cpu or cuda.
        threads: number of threads of one call.
        weights: the files of weights that are not in the graph's own file, by the names that the graph gives them.
        shared: weights that are in memory already, by their names in the graph.
        prepack: whether to keep a copy of weights in the layout that matrix products read fastest.

    Raises:
        DeviceError: the graph would not run on ``device``.
        PackageError: the graph can't be loaded.
    """

    memory: CallMemory = UNPLANNED
    """What a call takes, once `measure_text_encoder` has measured it."""

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
                f"the device is set to {device}, but the installed ONNX Runtime has no {_PROVIDERS[device][0]}: "
                "install onnxruntime-gpu instead of onnxruntime, in an environment of its own"
            )
        if device == "cuda":
            cuda.preload()
            options.add_session_config_entry(placement.RECORD, "1")
        mapped = _add_external_weights(weights, options)
        for name, value in shared.items():
            options.add_initializer(name, value)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS[device])
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise PackageError(f"{graph}: ONNX Runtime can't load it: {error}") from error
        del mapped  # not before the session has copied it
        providers = self._session.get_providers()
        # ONNX Runtime falls back to the CPU without an error. A worker that was placed on a GPU must not do so.
        if providers[0] != _PROVIDERS[device][0]:
            raise DeviceError(
                f"the device is set to {device}, but ONNX Runtime runs on {providers[0]}: {cuda.why_unavailable()}"
            )
        self._graph = graph
        self._shared = shared
        """Kept because the session does not copy these, and reads them in each call."""
        self.device = device
        self.inputs = {node.name: _tensor_info(node) for node in self._session.get_inputs()}
        self.outputs = {node.name: _tensor_info(node) for node in self._session.get_outputs()}

    def run(
        self, outputs: Sequence[str], feeds: dict[str, npt.NDArray[np.int64]], *, give_back: bool = False
    ) -> list[Array]:
        """Run the graph once.

        Args:
            outputs: names of the outputs to return, in this order.
            feeds: inputs by name.
            give_back: return all memory that is free after the call to the system, instead of keeping it for the next.
        """
        options = giving_back(self.device) if give_back else None
        return [np.asarray(result) for result in self._session.run(outputs, feeds, options)]

    def is_large(self, num_rows: int, longest: int) -> bool:
        """Return whether a call with so many rows, padded to the longest, should give its memory back."""
        return self.memory.num_bytes(num_rows, longest) > LARGE_BYTES

    def measure_text_encoder(self, longest: int) -> None:
        """Measure what calls take that read whole texts of up to ``longest`` tokens. On a GPU nothing is planned.

        Raises:
            PackageError: the graph fails.
        """
        if self.device != "cpu":
            return

        def run(num_tokens: int, *, give_back: bool) -> None:
            zeros = np.zeros((1, num_tokens), np.int64)
            feeds = {name: np.ones_like(zeros) if name == "attention_mask" else zeros for name in self.inputs}
            self.run(list(self.outputs), feeds, give_back=give_back)

        try:
            self.memory = measure(run, longest)
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise PackageError(f"{self._graph}: ONNX Runtime can't run it: {error}") from error

    def dims(self, name: str, *axes: int) -> tuple[int, ...]:
        """Return the sizes of an input along axes where the graph fixes them.

        Raises:
            PackageError: an axis has a symbolic size.
        """
        dims = [self.inputs[name].shape[axis] for axis in axes]
        if None in dims:
            raise PackageError(f"the graph does not say how large {name} is: {list(self.inputs[name].shape)}")
        return tuple(dim for dim in dims if dim is not None)

    def placed_operators(self) -> list[placement.Placed]:
        """Return on which execution provider each operator runs; of a session on the CPU nothing is recorded."""
        return placement.placed_operators(self._session)

    def binding(self) -> Binding:
        """Return a new binding, for calls that read and write tensors in place."""
        return Binding(self._session.io_binding(), self._session, self.device)


def open_graphs(package: ModelPackage, *, device: str, threads: int) -> Mapping[str, Session]:
    """Load all graphs of a package, by file name.

    Raises:
        DeviceError: the graphs would not run on ``device``.
        PackageError: a graph is missing, can't be loaded, does not have the inputs and outputs of its kind, or would
            run in part on the CPU although ``device`` is another.
    """
    manifest, sessions = package.manifest, dict[str, Session]()
    signatures = signatures_of(manifest)
    graphs = {name: package.file(name) for name in signatures}
    headers = {name: read_header(graph) for name, graph in graphs.items()}
    # On a GPU, each session copies its weights to the device, so nothing would be shared.
    shared = shared_weights([(graphs[name], header) for name, header in headers.items()]) if device == "cpu" else {}
    for name, signature in signatures.items():
        graph = graphs[name]
        session = sessions[name] = Session(
            graph,
            device=device,
            threads=threads,
            weights={other: package.file(other) for other in headers[name].external_files},
            shared=shared,
            # Each of the two branches of a merged decoder would keep a copy of its weights.
            prepack=name != MERGED_DECODER,
        )
        mismatch = find_mismatch(signature, session.inputs, session.outputs)
        if mismatch:
            raise PackageError(
                f"{graph}: not the graph of a {manifest.graph.kind} for {manifest.task.name}: {mismatch}"
            )
        if device != "cpu":
            _check_placement(manifest, name, session)
    return sessions


def _check_placement(manifest: Manifest, name: str, session: Session) -> None:
    has_cache = any(tensor.startswith("past_key_values") for tensor in session.inputs)
    provider = _PROVIDERS[session.device][0]
    if problem := placement.problem_on(manifest, name, session.placed_operators(), provider, has_cache=has_cache):
        raise PackageError(problem)


def _options(threads: int, *, prepack: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # The default execution mode runs one operator at a time, so it needs no pool for several.
    options.inter_op_num_threads = 1
    # Threads that spin while they wait halve the throughput as soon as another process needs the core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "0" if prepack else "1")
    # ONNX Runtime caches a memory plan for each shape of inputs. Nearly every batch has a shape of its own, so the
    # cache only grew, to 50 MB.
    options.enable_mem_pattern = False
    # Errors only: ONNX Runtime writes to standard error by itself, past the log of the worker.
    options.log_severity_level = 3
    return options


def _add_external_weights(weights: Mapping[str, Path], options: Any) -> list[Any]:
    """Let ONNX Runtime copy external weights; return the buffers, which must live until the session exists."""
    # ONNX Runtime would map these files for as long as the session lives. If one is written over, as copying a new
    # version does, the old version would answer with new weights; if it is truncated, the process would get SIGBUS.
    buffers: list[Any] = []
    for path in weights.values():
        with open_regular(path) as file:
            is_empty = not os.fstat(file.fileno()).st_size  # mmap refuses empty files
            buffers.append(b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if buffers:
        options.add_external_initializers_from_files_in_memory(list(weights), buffers, list(map(len, buffers)))
    return buffers


def _tensor_info(node: Any) -> TensorInfo:
    """Convert ONNX Runtime's description of an input or output, such as ``tensor(int64)`` with [1, 'tokens']."""
    kind = str(node.type).removeprefix("tensor(").removesuffix(")")
    dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
    return TensorInfo(dtype, tuple(dim if isinstance(dim, int) else None for dim in node.shape))
