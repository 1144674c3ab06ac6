"""Who gets slots at a step: waiting requests, suspects of a worker's death among them, and groups that were paused.

The next request comes from the flow with the fewest slots for its share. A request for which no slot was free at a step
may push groups out at the next one (`paused_groups.py`).
"""

from collections.abc import Callable, Iterator, Set

from contracts.jobs import Flow
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.scheduling.paused_groups import PausedGroups
from workers.runtime.decoding.scheduling.running_groups import RunningGroups
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.price.counts import ModelCounts
from workers.runtime.sharing.waiting_queue import WaitingQueue

MAX_SUSPECT_WAIT_S = 10.0
"""Longest time that a suspect waits for jobs that were in hand before it."""
OnFailure = Callable[[GenerationHandle, BaseException], None]
"""Ends a job and removes all that it has here. An argument of calls, for the reason that model calls have."""
Waiting = tuple[GenerationHandle, int]


class Admission:
    """The requests of one model that wait for slots. Used by the inference thread only, except the numbers.

    Args:
        running: gives slots.
        paused: groups that want theirs back.
        counts: of the model.
    """

    def __init__(self, running: RunningGroups, paused: PausedGroups, counts: ModelCounts) -> None:
        self._running = running
        self._paused = paused
        self._counts = counts
        self._waiting: WaitingQueue[GenerationHandle, int] = WaitingQueue()
        self._suspects: WaitingQueue[GenerationHandle, int] = WaitingQueue()
        self._before: dict[GenerationHandle, set[GenerationHandle]] = {}
        """By suspect that waits: the jobs that were in hand before it."""
        self._refused: Set[GenerationHandle] = frozenset()
        """The jobs with requests for which there was no room at the last step."""

    @property
    def num_waiting(self) -> int:
        """Requests that wait for slots, those of paused groups included."""
        return len(self._waiting) + len(self._suspects) + sum(1 for _ in self._paused)

    @property
    def waiting_flows(self) -> set[Flow]:
        """The flows of these requests."""
        jobs = (*list(self._waiting.jobs), *list(self._suspects.jobs), *(group.handle for group in self._paused))
        return {handle.attempt.claim.flow for handle in jobs}

    @property
    def num_unstarted(self) -> int:
        """Jobs, suspects aside, of which no request has started."""
        return sum(not handle.has_started for handle in list(self._waiting.jobs))

    @property
    def handles(self) -> Iterator[GenerationHandle]:
        """The jobs of all groups and requests, some of them several times."""
        yield from (group.handle for group in (*self._running, *self._paused))
        yield from self._suspects.jobs
        yield from self._waiting.jobs

    def add(self, handle: GenerationHandle) -> None:
        """Queue all requests of a job."""
        if handle.attempt.group:
            self._before[handle] = {other for other in self.handles if not other.attempt.group}
        self._queue_of(handle).add(handle, range(len(handle.items)), handle.attempt.claim)

    def remove(self, handle: GenerationHandle) -> None:
        """Drop the requests of a job that wait, and its paused groups."""
        self._waiting.remove(handle)
        self._suspects.remove(handle)
        self._before.pop(handle, None)
        self._paused.remove(handle)

    def admit(self, on_failure: OnFailure) -> None:
        """Give out the free slots, and those of groups that give way to a request which has waited for a step."""
        if not self.num_waiting:  # as at most steps, which take a fraction of a millisecond with small models
            self._refused = frozenset()
            return
        self._fill(on_failure)
        self._push_out(on_failure)
        self._refused = frozenset(self._waiting.jobs)

    def _fill(self, on_failure: OnFailure) -> None:
        """Start requests and resume groups, as long as there is room for the next one."""
        while True:
            waiting = self._next_waiting()
            if paused := self._paused.next_before(waiting):
                has_room = self._resume(paused, on_failure)
            else:
                has_room = waiting is not None and self._start(*waiting, on_failure)
            if not has_room:
                return

    def _push_out(self, on_failure: OnFailure) -> None:
        """Start the first request that has waited for a step and for which groups give their slots."""
        for handle, index in self._waiting.heads(self._running.slots_by_flow):
            if handle in self._refused and self._paused.make_room(handle, index):
                self._start(handle, index, on_failure)
                return

    def _start(self, handle: GenerationHandle, index: int, on_failure: OnFailure) -> bool:
        """Start a request; return whether there was room for it, or it failed."""
        try:
            if not self._running.start(handle, index):
                return False
        except Exception as error:
            on_failure(handle, error)
            return True
        self._queue_of(handle).pop(handle)
        handle.mark_scheduled()
        self._counts.count_rows(handle.attempt.counts, 1, 0)
        return True

    def _resume(self, group: SequenceGroup, on_failure: OnFailure) -> bool:
        """Resume a paused group; return whether there was room for it, or it failed."""
        try:
            return self._paused.resume(group)
        except Exception as error:
            on_failure(group.handle, error)
            return True

    def _next_waiting(self) -> Waiting | None:
        """Return the next request. Suspects have half of the slots, and all that the others leave."""
        waiting = self._waiting.peek(self._running.slots_by_flow, self._running.leaves_room)
        suspect = self._suspects.peek({})
        if suspect is None or self._must_wait(suspect[0]):
            return waiting
        handle, index = suspect
        is_next = waiting is None or self._running.has_room_for_suspect(handle.items[index])
        return suspect if is_next else waiting

    def _must_wait(self, suspect: GenerationHandle) -> bool:
        """Return whether a suspect waits for those before it, whose work would be lost if it ends this worker."""
        if suspect.has_started or suspect.age_s > MAX_SUSPECT_WAIT_S:
            return False
        return not self._before[suspect].isdisjoint(self.handles)

    def _queue_of(self, handle: GenerationHandle) -> WaitingQueue[GenerationHandle, int]:
        return self._suspects if handle.attempt.group else self._waiting
