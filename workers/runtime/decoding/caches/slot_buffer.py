"""One tensor of all slots of a cache, [slots, heads, positions, size], which stays where it is."""

import numpy as np

from workers.runtime.decoding.caches.tensor_names import present
from workers.runtime.inference.binding import Array, Binding, Buffer
from workers.runtime.inference.session import Session


class SlotBuffer:
    """Memory of one of a graph's inputs, and of the output that follows it.

    Args:
        session: of the slot graph.
        name: of the input.
        num_slots: slots.
        num_positions: of each slot.

    Raises:
        PackageError: there is not enough memory.
    """

    def __init__(self, session: Session, name: str, *, num_slots: int, num_positions: int) -> None:
        heads, size = session.dims(name, 1, 3)
        self._session = session
        self._past, self.present = name, present(name)
        self._dtype = session.inputs[name].dtype
        self.memory = Buffer.allocate((num_slots, heads, num_positions, size), self._dtype, session.device)

    def bind(self, binding: Binding, slots: range) -> None:
        """Let the graph read and write these slots where they lie."""
        binding.update(self._past, self.present, self.memory, self._dtype, slots)

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        """Copy the first positions of one slot to another; on cuda through the host."""
        if self._session.device == "cpu":
            array = self.memory.numpy()
            array[target, :, :num_tokens] = array[source, :, :num_tokens]
        else:
            self._slot(target).fill(self._slot(source).numpy())

    def put(self, slot: int, array: Array) -> None:
        """Write the first positions of a slot, [heads, positions, size]; on cuda those behind are lost."""
        num_positions = array.shape[1]
        if self._session.device == "cpu":
            self.memory.numpy()[slot, :, :num_positions] = array
        else:
            whole = np.zeros(self.memory.shape[1:], self._dtype)
            whole[:, :num_positions] = array
            self._slot(slot).fill(whole)

    def _slot(self, slot: int) -> Buffer:
        """Return one slot's part of the memory."""
        return self._session.binding().part(self.present, self.memory, self._dtype, slot)
