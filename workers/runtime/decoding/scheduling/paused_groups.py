"""Groups that gave their slots to other requests: which ones do, and when they go on.

What their slots hold is copied to host memory and back, to the bit, so a text does not depend on its pauses. Groups of
a flow that has more slots for its share give way to

* interactive requests, if they are bulk: nobody waits for a bulk text, and somebody does for an interactive one;
* newcomers, requests of a flow without a slot, if they are another tenant's or in a less urgent lane. So nobody waits
  for the end of texts or searches of others that have all slots. One slot is enough: if a flow of the default lane
  pushed out more, bulk texts would stand still whenever a model is busy.

Nothing gives way to bulk requests. Suspects stay, and nobody gives way to them: they have their own half of the slots.
"""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from contracts.jobs import LANE_WEIGHTS, Claim, Flow
from workers.runtime.decoding.caches.cache import Cache, Saved
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.scheduling.running_groups import RunningGroups
from workers.runtime.decoding.scheduling.saved_memory import SavedMemory
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup

logger = logging.getLogger(__name__)
MIN_TOKENS = 16
"""Tokens that a group generates after a pause before it can be paused again. Copying it out and back took 0.3 to 1.8
times what its row costs in a step, for models of 1 to 124 million parameters and 32 to 960 tokens. So a text that is
paused again and again loses a tenth at most. Who pushes them out waits for 16 steps if all slots are theirs."""
MAX_PAUSED_S, MAX_PAUSED_SHARE = 60.0, 0.25
"""Longest time that a group is paused in all, and the share of its job's time limit, so that it neither starves nor is
timed out by its pauses. One that is not bulk is paused no longer than it has run, so newcomers delay it to twice its
time. Then it goes on before everybody else, and keeps its slots."""


class _Paused(NamedTuple):
    group: SequenceGroup
    saved: Saved
    since: float


class PausedGroups:
    """Pauses groups and resumes them in the order in which they were paused. Iterating yields them in that order.

    Args:
        cache: of the model.
        running: those with slots.
        memory: for what is saved.
        metrics: counts the pauses.
    """

    def __init__(self, cache: Cache, running: RunningGroups, memory: SavedMemory, metrics: DecodingMetrics) -> None:
        self._cache = cache
        self._running = running
        self._memory = memory
        self._metrics = metrics
        self._paused: deque[_Paused] = deque()

    def __iter__(self) -> Iterator[SequenceGroup]:
        # The heartbeat's thread counts them while the inference thread changes the queue: list() copies it in one go.
        return (paused.group for paused in list(self._paused))

    def next_before(self, waiting: tuple[GenerationHandle, int] | None) -> SequenceGroup | None:
        """Return the group that goes on before this request starts, if one does.

        The first one does if the request is not more urgent; if it has been paused for too long; or if its flow would
        have no more slots for its share than that of the request. A group whose tenant must leave a slot is passed by.
        """
        paused = next(
            (each for each in self._paused if self._running.leaves_room(each.group.handle, each.group.index)), None
        )
        if paused is None:
            return None
        group = paused.group
        if waiting is None or waiting[0].attempt.claim.lane == "bulk":
            return group
        if group.paused_s + time.perf_counter() - paused.since > _max_paused_s(group, paused.since):
            return group
        slots = self._running.slots_by_flow
        is_next = _ratio_with(group.handle, group.index, slots) <= _ratio_with(*waiting, slots)
        return group if is_next else None

    def resume(self, group: SequenceGroup) -> bool:
        """Let a group go on; return whether there was room for it.

        Raises:
            Exception: it can't be restored; it is still among the paused ones, and its job must be ended.
        """
        paused = next(each for each in self._paused if each.group is group)
        if not self._running.resume(group, paused.saved):
            return False
        self._paused.remove(paused)
        self._memory.used_bytes -= paused.saved.num_bytes
        now = time.perf_counter()
        group.paused_s += now - paused.since
        group.stays_until = group.num_generated + MIN_TOKENS
        group.last_token_at = now  # a pause is no gap between two tokens
        return True

    def make_room(self, handle: GenerationHandle, index: int) -> bool:
        """Pause as many groups as this request needs; none if that is not enough. Return whether it is."""
        groups = self._chosen_for(handle, index)
        try:
            saved = [self._cache.save(group.slots) for group in groups]
        except Exception as error:  # such as a MemoryError; they go on as if nothing was
            logger.warning("sequences could not be paused", exc_info=error)
            for group in groups:
                group.stays_until = group.num_generated + MIN_TOKENS
            return False
        for group, content in zip(groups, saved, strict=True):
            self._running.remove(group)
            self._paused.append(_Paused(group, content, time.perf_counter()))
            self._memory.used_bytes += content.num_bytes
        self._metrics.pauses += len(groups)
        return bool(groups)

    def remove(self, handle: GenerationHandle) -> None:
        """Forget the groups of a job, and what was saved of them."""
        for paused in [paused for paused in self._paused if paused.group.handle is handle]:
            self._paused.remove(paused)
            self._memory.used_bytes -= paused.saved.num_bytes

    def _chosen_for(self, handle: GenerationHandle, index: int) -> list[SequenceGroup]:
        """Return the groups to pause, or none if they don't leave enough room.

        The flow with the most slots for its share gives first, and of its groups the one with the least to copy: the
        copy delays the next token of all others. That is mostly the one which has begun last.
        """
        ratios = self._givers(handle, index)
        sizes = {group: self._cache.saved_bytes(group.slots) for group in ratios}
        chosen: list[SequenceGroup] = []
        num_bytes = self._memory.used_bytes
        for group in sorted(sizes, key=lambda group: (-ratios[group], sizes[group])):
            if num_bytes + sizes[group] <= self._memory.max_bytes:
                chosen.append(group)
                num_bytes += sizes[group]
                if self._suffice(chosen, handle, index):
                    return self._needed(chosen, handle, index)
        return []

    def _givers(self, handle: GenerationHandle, index: int) -> dict[SequenceGroup, float]:
        """Return the groups that may be paused for a request, with the slots of their flow for each unit of share."""
        claim, slots = handle.attempt.claim, self._running.slots_by_flow
        is_newcomer = not slots[claim.flow]
        if claim.lane == "bulk" or not (is_newcomer or claim.lane == "interactive"):
            return {}
        limit, ratios = _ratio_with(handle, index, slots), self._running.ratios
        if max(ratios.values(), default=0.0) <= limit:  # as among many tenants, each with a slot
            return {}
        found: dict[SequenceGroup, float] = {}
        for group in self._running:
            own = group.handle.attempt.claim
            if ratios[own.flow] > limit and _gives_way(own, claim, is_newcomer) and self._may_pause(group):
                found[group] = ratios[own.flow]
        return found

    def _needed(self, groups: list[SequenceGroup], handle: GenerationHandle, index: int) -> list[SequenceGroup]:
        """Return these groups without those that were chosen before one that leaves room enough alone."""
        for group in list(groups):
            others = [other for other in groups if other is not group]
            if self._suffice(others, handle, index):
                groups = others
        return groups

    def _suffice(self, groups: list[SequenceGroup], handle: GenerationHandle, index: int) -> bool:
        """Return whether a request could start in the slots of these groups. Free ones are for those before it."""
        num_slots = sum(len(group.slots) for group in groups)
        return num_slots >= handle.items[index].num_slots and self._running.has_room(handle, index, without=groups)

    def _may_pause(self, group: SequenceGroup) -> bool:
        has_time = group.paused_s < _max_paused_s(group, time.perf_counter())
        return has_time and group.num_generated >= group.stays_until and not group.handle.attempt.group


def _gives_way(own: Claim, other: Claim, is_newcomer: bool) -> bool:
    """Return whether a job's groups give way to requests of another job, which are not bulk."""
    if own.lane == "bulk" and other.lane == "interactive":
        return True
    return is_newcomer and (own.tenant != other.tenant or LANE_WEIGHTS[own.lane] < LANE_WEIGHTS[other.lane])


def _ratio_with(handle: GenerationHandle, index: int, slots: Counter[Flow]) -> float:
    """Return how many slots a request's flow would have with it, for each unit of its share."""
    claim = handle.attempt.claim
    return (slots[claim.flow] + handle.items[index].num_slots) / claim.share


def _max_paused_s(group: SequenceGroup, until: float) -> float:
    """Return how long a group may be paused in all that has run until this ``time.perf_counter()``."""
    attempt = group.handle.attempt
    has_run_s = math.inf if attempt.claim.lane == "bulk" else until - group.started_at - group.paused_s
    return min(MAX_PAUSED_S, MAX_PAUSED_SHARE * attempt.timeout_s, has_run_s)
