"""The sequence groups that hold slots of the cache, by the phase that they are in: prefill, decode, finished."""

from collections import deque
from collections.abc import Iterator

from workers.runtime.decoding.beam_search.beam_group import BeamGroup
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sequences.sequence import Sequence
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup


class RunningGroups:
    """Allocates slots to groups and frees them. Iterating yields the groups in prefill and decode."""

    def __init__(self, model: DecodingModel) -> None:
        self.prefilling: deque[SequenceGroup] = deque()
        """In order of arrival."""
        self.decoding: list[SequenceGroup] = []
        self._finished: list[SequenceGroup] = []
        self._model = model
        self._cache = model.cache

    def __iter__(self) -> Iterator[SequenceGroup]:
        yield from self.prefilling
        yield from self.decoding

    @property
    def num_slots(self) -> int:
        """Slots in use."""
        # The heartbeat's thread reads this while the inference thread changes both. Unpacking copies each in one go,
        # where iterating would fail if one changes meanwhile.
        return sum(len(group.slots) for group in (*self.prefilling, *self.decoding))

    def can_join(self, handle: GenerationHandle) -> bool:
        """Return whether a job may share model calls with the jobs that run now. An isolated job shares none."""
        # The other requests of the same job may always join.
        others = {group.handle for group in self} - {handle}
        return not others or not (handle.attempt.isolated or any(other.attempt.isolated for other in others))

    def start(self, handle: GenerationHandle, index: int) -> bool:
        """Allocate slots for a request and begin its prefill; return whether there was room.

        Raises:
            Exception: the model can't take this request; no slots are allocated.
        """
        request = handle.items[index]
        slots = self._allocate(request)
        if not slots:
            return False
        try:
            self.prefilling.append(self._group(handle, index, slots))
        except BaseException:
            self._free(slots)
            raise
        return True

    def start_decoding(self, group: SequenceGroup) -> None:
        """Let a group whose prefill is complete take part in the decode steps."""
        self.prefilling.remove(group)
        self.decoding.append(group)

    def finish(self, group: SequenceGroup) -> None:
        """Free the slots of a decoding group that has its outputs; `deliver_finished` hands them over."""
        # The slots are free for the next step already, although the outputs have to wait for the last deltas.
        self.remove(group)
        self._finished.append(group)

    def remove(self, group: SequenceGroup) -> None:
        """Free the slots of a group in whichever phase it is."""
        self._free(group.slots)
        if group in self.decoding:
            self.decoding.remove(group)
        else:
            self.prefilling.remove(group)

    def deliver_finished(self) -> None:
        """Hand the outputs of finished groups to their jobs."""
        finished, self._finished = self._finished, []
        for group in finished:
            group.handle.set_result(group.index, group.outputs)

    def _allocate(self, request: GenerationRequest) -> list[int]:
        """Return a slot for each sequence of a request, or none at all if there is no room for all of them."""
        slots: list[int] = []
        for _ in range(request.num_slots):
            slot = self._cache.allocate(request.max_length)
            if slot is None:
                self._free(slots)
                return []
            slots.append(slot)
        return slots

    def _free(self, slots: list[int]) -> None:
        for slot in slots:
            self._cache.free(slot)

    def _group(self, handle: GenerationHandle, index: int, slots: list[int]) -> SequenceGroup:
        beams = handle.items[index].beams
        if beams is None:
            return Sequence(handle, index, slots, self._model)
        return BeamGroup(handle, index, slots, self._model, beams)
