"""The sequence groups that hold slots of the cache, by the phase that they are in: prefill, decode, finished."""

from collections import Counter, deque
from collections.abc import Collection, Iterator

from contracts.jobs import OPEN_TENANT, Flow
from workers.runtime.decoding.beam_search.beam_group import BeamGroup
from workers.runtime.decoding.caches.cache import Saved
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sequences.sequence import Sequence
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.sharing.fair_turns import FairTurns


class RunningGroups:
    """Allocates slots to groups and frees them. Iterating yields the groups in prefill and decode."""

    def __init__(self, model: DecodingModel) -> None:
        self.prefilling: deque[SequenceGroup] = deque()
        """In order of arrival."""
        self.decoding: list[SequenceGroup] = []
        self.slots_by_flow: Counter[Flow] = Counter()
        """Slots that each flow has."""
        self.ratios: dict[Flow, float] = {}
        """The same for each unit of the flow's share."""
        self._finished: list[SequenceGroup] = []
        self._prefill_turns: FairTurns[Flow] = FairTurns()
        """By the tokens that were prefilled; of jobs that are no suspects."""
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

    def has_room(self, handle: GenerationHandle, index: int, without: Collection[SequenceGroup] = ()) -> bool:
        """Return whether a request could start if these groups had no slots."""
        request = handle.items[index]
        slots = [slot for group in without for slot in group.slots]
        has_slots = self._cache.has_room(request.num_slots, request.max_length, slots)
        return has_slots and self.leaves_room(handle, index, without)

    def leaves_room(self, handle: GenerationHandle, index: int, without: Collection[SequenceGroup] = ()) -> bool:
        """Return whether another tenant could start a sequence like it if this request starts, or need not.

        The texts of one tenant have at most all but one slot, so another one that comes enters at the next step. A
        single request may always start, and so may searches: to leave a slot they would leave as many as they have
        beams, and one that is paused makes room at once. All clients of an open gateway are one tenant, for which
        nothing is left free: it would be left for nobody.
        """
        tenant, request = handle.attempt.claim.tenant, handle.items[index]
        others = {group.handle.attempt.claim.tenant for group in self if group not in without}
        if request.beams or tenant == OPEN_TENANT or others != {tenant}:
            return True
        slots = [slot for group in without for slot in group.slots]
        return self._cache.has_room(request.num_slots + 1, request.max_length, slots)

    def next_prefilling(self, circle: str) -> SequenceGroup | None:
        """Return the group of a circle whose turn it is to be prefilled, or None if no prefill is incomplete.

        Flows take turns by the tokens that they prefill, so a long prompt holds up another flow's by a chunk. Of a flow
        the oldest group is next, and so it is of a circle of suspects.
        """
        groups = [group for group in self.prefilling if _circle_of(group) == circle]
        if groups and not circle:
            flow = self._prefill_turns.first(lambda flow: any(_flow_of(group) == flow for group in groups))
            groups = [group for group in groups if _flow_of(group) == flow]
        return groups[0] if groups else None

    def count_prefill(self, group: SequenceGroup, num_tokens: int) -> None:
        """Note that tokens of a group are prefilled."""
        if not _circle_of(group):
            self._prefill_turns.charge(_flow_of(group), num_tokens)

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
            group = self._group(handle, index, slots)
        except BaseException:
            self._free(slots)
            raise
        self._add(group)
        return True

    def resume(self, group: SequenceGroup, saved: Saved) -> bool:
        """Let a group that was removed go on in other slots; return whether there was room.

        Raises:
            Exception: what was saved can't be restored; no slots are allocated.
        """
        slots = self._allocate(group.request)
        if not slots:
            return False
        try:
            saved.restore(slots)
        except BaseException:
            self._free(slots)
            raise
        group.move(slots)
        self._add(group)
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
        self._count(group, -len(group.slots))

    def deliver_finished(self) -> None:
        """Hand the outputs of finished groups to their jobs."""
        finished, self._finished = self._finished, []
        for group in finished:
            group.handle.set_result(group.index, group.outputs)

    def _add(self, group: SequenceGroup) -> None:
        self._count(group, len(group.slots))
        if not group.prefill.num_next_tokens:
            self.decoding.append(group)
            return
        self.prefilling.append(group)
        if not _circle_of(group):
            self._prefill_turns.join(_flow_of(group), group.handle.attempt.claim.share)

    def _count(self, group: SequenceGroup, num_slots: int) -> None:
        """Count slots that a group's flow has got, or has given back."""
        claim = group.handle.attempt.claim
        self.slots_by_flow[claim.flow] += num_slots
        self.ratios[claim.flow] = self.slots_by_flow[claim.flow] / claim.share
        if not self.slots_by_flow[claim.flow]:
            del self.slots_by_flow[claim.flow], self.ratios[claim.flow]

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


def _flow_of(group: SequenceGroup) -> Flow:
    return group.handle.attempt.claim.flow
