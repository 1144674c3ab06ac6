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

    @property
    def circles(self) -> list[str]:
        """Who may share model calls: the groups of suspects that run, and an empty text for all other jobs."""
        return list(dict.fromkeys(_circle_of(group) for group in self))

    def has_room_for_suspect(self, request: GenerationRequest) -> bool:
        """Return whether suspects leave half of the slots to other jobs if this request starts, too.

        One request may always start, however many slots it needs.
        """
        num_used = sum(len(group.slots) for group in self if _circle_of(group))
        return not num_used or num_used + request.num_slots <= self._cache.max_slots // 2

    def next_prefilling(self, circle: str) -> SequenceGroup | None:
        """Return the oldest group of a circle whose prefill is not complete."""
        return next((group for group in self.prefilling if _circle_of(group) == circle), None)

    def decoding_in(self, circle: str) -> list[SequenceGroup]:
        """Return the groups of a circle whose prefill is complete."""
        return [group for group in self.decoding if _circle_of(group) == circle]

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


def _circle_of(group: SequenceGroup) -> str:
    return group.handle.attempt.group
