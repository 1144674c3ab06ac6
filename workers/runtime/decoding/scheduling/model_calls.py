"""The scheduler's model calls, with failure isolation: a call that fails costs only the job that makes it fail."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from workers.runtime.decoding.caches.cache import Cache, Floats
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.scheduling.running_groups import RunningGroups
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.engine.engine import NoteCall

Result = TypeVar("Result")
OnFailure = Callable[[SequenceGroup, BaseException], None]
"""Ends the job of a group that makes a model call fail, and so removes the job's groups from those that run.

It is an argument of each call and no attribute: a scheduler would refer to itself through it, and keep a replaced model
in memory until the garbage collector runs.
"""


class ModelCalls:
    """Runs prefills and decode steps.

    Args:
        cache: of the model.
        running: the groups that can be in a call.
        metrics: counts the calls.
        note_call: is told whose sequences are in a call.
    """

    def __init__(self, cache: Cache, running: RunningGroups, metrics: DecodingMetrics, note_call: NoteCall) -> None:
        self._cache = cache
        self._running = running
        self._metrics = metrics
        self._note_call = note_call

    # BaseException: a MemoryError or SystemExit raised inside a model call must end a job, not the inference thread.

    def prefill(self, group: SequenceGroup, on_failure: OnFailure) -> Floats | None:
        """Run the next prefill call of a group; return the logits to sample its first token from, once they exist."""
        num_tokens = group.prefill.num_next_tokens
        try:
            logits = self._run([group], [num_tokens], group.prefill.run)
        except BaseException as error:
            on_failure(group, error)
            return None
        self._metrics.tokens_in += num_tokens
        return logits

    def decode(self, groups: Sequence[SequenceGroup], on_failure: OnFailure) -> Iterator[tuple[SequenceGroup, Floats]]:
        """Run one decode step of these groups; yield each with the logits of its slots.

        The logits are valid until the next group is requested. If the call fails, it is repeated for each group by
        itself, and only the groups that fail again are given up.
        """
        if not groups:
            return
        inputs = [group.next_inputs() for group in groups]
        slots = [slot for its_slots, _ in inputs for slot in its_slots]
        token_ids = [token_id for _, its_tokens in inputs for token_id in its_tokens]
        try:
            logits = self._run(groups, [1] * len(slots), partial(self._cache.step, slots, token_ids))
        except BaseException as error:
            yield from self._isolate(groups, error, on_failure)
            return
        start = 0
        for group, (its_slots, _) in zip(groups, inputs, strict=True):
            yield group, logits[start : start + len(its_slots)]
            start += len(its_slots)

    def _isolate(
        self, groups: Sequence[SequenceGroup], error: BaseException, on_failure: OnFailure
    ) -> Iterator[tuple[SequenceGroup, Floats]]:
        if len(groups) == 1:
            on_failure(groups[0], error)
            return
        for group in groups:
            # Another group of the same job may have failed meanwhile, and taken this one along.
            if group in self._running.decoding:
                yield from self.decode([group], on_failure)

    def _run(self, groups: Sequence[SequenceGroup], lengths: Sequence[int], call: Callable[[], Result]) -> Result:
        # A job with several groups in the call has waited for it only once.
        handles = {group.handle for group in groups}
        # Not taken back after each call, because most steps have the jobs of the step before.
        self._note_call({handle.attempt.claim.id for handle in handles})
        started = time.perf_counter()
        with self._metrics.calls.running(lengths):
            result = call()
        elapsed_s = time.perf_counter() - started
        for handle in handles:
            handle.infer_s += elapsed_s
        return result
