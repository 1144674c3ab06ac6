"""Memory on the device of a session, and graphs that read and write it where it lies."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxruntime import OrtValue

from contracts.model_package.files import PackageError

Array = npt.NDArray[Any]


class Buffer:
    """One tensor's memory on a device, which stays where it is as long as the buffer lives."""

    def __init__(self, value: Any) -> None:
        self.value = value
        """ONNX Runtime's ``OrtValue``."""
        self.shape: tuple[int, ...] = tuple(value.shape())

    @classmethod
    def allocate(cls, shape: Sequence[int], dtype: str, device: str) -> "Buffer":
        """Allocate memory without writing to it: the system gives pages when they are first touched.

        Raises:
            PackageError: there is no such memory.
        """
        try:
            return cls(OrtValue.ortvalue_from_shape_and_type(list(shape), np.dtype(dtype), device, 0))
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            num_bytes = prod(shape) * np.dtype(dtype).itemsize
            raise PackageError(
                f"a cache tensor of {num_bytes} bytes can't be allocated on {device}: {error}"
            ) from error

    @classmethod
    def holding(cls, array: Array, device: str) -> "Buffer":
        """Put an array on a device; on cpu it is the array's own memory."""
        return cls(OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), device, 0))

    def numpy(self) -> Array:
        """Return the same memory as an array on cpu, and a copy of it from other devices."""
        return np.asarray(self.value.numpy())

    def fill(self, array: Array) -> None:
        """Overwrite the whole buffer with a host array of its shape and type."""
        self.value.update_inplace(np.ascontiguousarray(array))


class Binding:
    """What a graph reads and writes, by name. It can be run again and again; only what was fed anew is different."""

    def __init__(self, binding: Any, session: Any, device: str) -> None:
        self._binding = binding
        self._session = session
        self._device = device
        self._kept: list[Buffer | Array] = []

    def feed(self, name: str, array: Array) -> None:
        """Bind an input to a host array, whose content goes to the device now."""
        self._binding.bind_cpu_input(name, array)

    def read(self, name: str, buffer: Buffer) -> None:
        """Bind an input to a whole buffer."""
        self._binding.bind_ortvalue_input(name, buffer.value)

    def write(self, name: str, device: str | None = None) -> None:
        """Bind an output to memory that the call allocates, on the session's device or another."""
        self._binding.bind_output(name, device or self._device)

    def write_to(self, name: str, array: Array) -> None:
        """Bind an output to a contiguous host array, which must have the output's shape."""
        self._binding.bind_output(name, "cpu", 0, array.dtype, list(array.shape), array.ctypes.data)
        self._kept.append(array)

    def update(self, past: str, present: str, buffer: Buffer, dtype: str, rows: range) -> None:
        """Bind an input and the output that follows it to the same rows of a buffer."""
        row_bytes = prod(buffer.shape[1:]) * np.dtype(dtype).itemsize
        where = (self._device, 0, np.dtype(dtype), [len(rows), *buffer.shape[1:]])
        pointer = buffer.value.data_ptr() + rows.start * row_bytes
        self._binding.bind_input(past, *where, pointer)
        self._binding.bind_output(present, *where, pointer)
        self._kept.append(buffer)

    def part(self, name: str, buffer: Buffer, dtype: str, row: int) -> Buffer:
        """Return one row of a buffer as a buffer over the same memory, which must outlive it.

        ONNX Runtime makes such values for what is bound by its address only; it keeps this one under the name of an
        output, so the binding is of no other use.
        """
        shape = buffer.shape[1:]
        pointer = buffer.value.data_ptr() + row * prod(shape) * np.dtype(dtype).itemsize
        self._binding.bind_output(name, self._device, 0, np.dtype(dtype), list(shape), pointer)
        return self.outputs()[0]

    def run(self) -> None:
        """Run the graph on what is bound. What ONNX Runtime raises passes through."""
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)

    def outputs(self) -> list[Buffer]:
        """Return the outputs of the last run, in the order in which they were bound."""
        return [Buffer(value) for value in self._binding.get_outputs()]
