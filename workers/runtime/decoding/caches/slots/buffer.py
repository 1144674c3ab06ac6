"""One preallocated cache tensor, [rows, heads, positions, size], that a slot graph reads and updates in place."""

import numpy as np

from workers.runtime.decoding.caches.tensor_names import present
from workers.runtime.inference.binding import Array, Binding, Buffer
from workers.runtime.inference.session import Session


class SlotBuffer:
    """The memory behind one past input of a graph and behind its present output.

    Args:
        session: of the slot graph.
        name: of the past input.
        num_rows: buffer rows.
        num_positions: tokens for which each row has room.

    Raises:
        PackageError: there is not enough memory.
    """

    def __init__(self, session: Session, name: str, *, num_rows: int, num_positions: int) -> None:
        heads, size = session.dims(name, 1, 3)
        self._session = session
        self._past, self.present = name, present(name)
        self._dtype = session.inputs[name].dtype
        self.memory = Buffer.allocate((num_rows, heads, num_positions, size), self._dtype, session.device)
        self.token_bytes = heads * size * np.dtype(self._dtype).itemsize
        """Of one position of one row."""

    def bind(self, binding: Binding, rows: range) -> None:
        """Bind both the past and the present of the graph to these rows."""
        binding.update(self._past, self.present, self.memory, self._dtype, rows)

    def copy(self, source_row: int, target_row: int, num_tokens: int) -> None:
        """Copy the first positions of one row to another; on CUDA the whole row, through the host."""
        if self._session.device == "cpu":
            array = self.memory.numpy()
            array[target_row, :, :num_tokens] = array[source_row, :, :num_tokens]
        else:
            self._row(target_row).fill(self._row(source_row).numpy())

    def get(self, row: int, num_positions: int) -> Array:
        """Return a copy of the first positions of a row, [heads, positions, size]; on CUDA the whole row is read."""
        if self._session.device == "cpu":
            return self.memory.numpy()[row, :, :num_positions].copy()
        return self._row(row).numpy()[:, :num_positions].copy()

    def put(self, row: int, array: Array) -> None:
        """Write the first positions of a row from [heads, positions, size]; on CUDA the positions behind become 0."""
        num_positions = array.shape[1]
        if self._session.device == "cpu":
            self.memory.numpy()[row, :, :num_positions] = array
        else:
            # ONNX Runtime can only overwrite a whole value on a device, not a part of it.
            whole = np.zeros(self.memory.shape[1:], self._dtype)
            whole[:, :num_positions] = array
            self._row(row).fill(whole)

    def _row(self, row: int) -> Buffer:
        """Return a buffer over the memory of one row."""
        return self._session.binding().row_view(self.present, self.memory, self._dtype, row)
