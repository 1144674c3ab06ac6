"""The scheduler of one model: continuous batching, with chunked prefill between the decode steps.

A step prefills a bounded part of the waiting inputs, and then decodes one token for every sequence whose prefill is
complete, in one model call. So a long prompt delays the other sequences by one chunk per step, and a sequence that
finishes makes room for the next one at once. The source of an encoder is one chunk, however long it is.

The next request comes from the flow with the fewest slots for its share, and prefill goes on in turns of flows, too.

Suspects share model calls with those of their own group only. A step belongs to the circle of all other jobs, and then
to one group of suspects: the groups take turns. So the others have every second call beside suspects, and half of the
slots.
"""

import logging
from collections.abc import Callable

from contracts.generation import TextDelta
from contracts.jobs import Flow
from workers.runtime.attempts.attempt import AttemptStopped
from workers.runtime.attempts.failures import as_job_error
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.scheduling.admission import Admission
from workers.runtime.decoding.scheduling.model_calls import ModelCalls
from workers.runtime.decoding.scheduling.paused_groups import PausedGroups
from workers.runtime.decoding.scheduling.running_groups import RunningGroups
from workers.runtime.decoding.scheduling.saved_memory import SavedMemory
from workers.runtime.decoding.sequences.prefill import MAX_CHUNK_TOKENS
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.engine.engine import NoteCall

logger = logging.getLogger(__name__)
MAX_IDLE_CHUNKS = 4
"""Chunks that a step prefills while nothing decodes. More would delay admissions and the removal of stopped jobs."""
Deltas = list[tuple[GenerationHandle, TextDelta]]


class Scheduler:
    """All requests for one model. Used by the inference thread only, except the numbers, which any thread may read."""

    def __init__(
        self, model: DecodingModel, metrics: DecodingMetrics, note_call: NoteCall, memory: SavedMemory
    ) -> None:
        self._name = model.name
        self._metrics = metrics
        self._counts = metrics.calls.models[model.name]
        self._turn = 0
        self._running = RunningGroups(model)
        self._admission = Admission(
            self._running, PausedGroups(model.cache, self._running, memory, metrics), self._counts
        )
        self._calls = ModelCalls(model.cache, self._running, metrics, note_call)

    def __bool__(self) -> bool:
        return any(True for _ in self._running) or bool(self.num_waiting)

    @property
    def num_running(self) -> int:
        """Slots of the cache that are in use."""
        return self._running.num_slots

    @property
    def num_waiting(self) -> int:
        """Requests that wait for slots, those of paused groups included."""
        return self._admission.num_waiting

    @property
    def waiting_flows(self) -> set[Flow]:
        """The flows of these requests."""
        return self._admission.waiting_flows

    @property
    def num_unstarted(self) -> int:
        """Jobs, suspects aside, of which no request has started."""
        return self._admission.num_unstarted

    @property
    def handles(self) -> list[GenerationHandle]:
        """The jobs that run or wait here, each once."""
        return list(dict.fromkeys(self._admission.handles))

    def add(self, handle: GenerationHandle) -> None:
        """Queue all requests of a job."""
        self._admission.add(handle)

    def remove(self, handle: GenerationHandle) -> None:
        """Drop all requests of a job, whether they run or wait."""
        self._admission.remove(handle)
        for group in [group for group in self._running if group.handle is handle]:
            self._running.remove(group)

    def fail(self, handle: GenerationHandle, error: BaseException) -> None:
        """End a job without results."""
        self.remove(handle)
        handle.fail(error if isinstance(error, AttemptStopped) else as_job_error(error))

    def step(self, emit: Callable[[Deltas], None]) -> None:
        """Advance all requests: admit, prefill, decode, emit, finish."""
        self._remove_stopped()
        self._admission.admit(self._fail_request)
        for circle in self._next_circles():
            self._step(circle, emit)

    def _next_circles(self) -> list[str]:
        """Return whose model calls belong to this step."""
        circles = self._running.circles
        suspects = [circle for circle in circles if circle]
        self._turn += 1
        return [*([""] if "" in circles else []), *suspects[self._turn % max(1, len(suspects)) :][:1]]

    def _step(self, circle: str, emit: Callable[[Deltas], None]) -> None:
        try:
            # First tokens are emitted before the decode step, which would delay them by its whole duration.
            deltas = self._prefill(circle)
            if deltas:
                emit(deltas)
                self._running.deliver_finished()
            with self._counts.writing():
                deltas = self._decode(circle)
            # Also without deltas: the sink finds out which jobs must stop, those that are not streamed too.
            emit(deltas)
        finally:
            # Outputs follow the deltas, because the store refuses events of a job that has ended. They are delivered
            # even if the sink failed: nothing else would finish these requests.
            self._running.deliver_finished()

    def _remove_stopped(self) -> None:
        for handle in self.handles:
            if handle.attempt.should_stop:
                self.fail(handle, AttemptStopped())

    def _prefill(self, circle: str) -> Deltas:
        """Run prefill calls, in turns of flows, up to the token budget of a step; at least one."""
        budget = MAX_CHUNK_TOKENS * (1 if self._running.decoding else MAX_IDLE_CHUNKS)
        num_tokens, deltas = 0, Deltas()
        while group := self._running.next_prefilling(circle):
            num_next_tokens = group.prefill.num_next_tokens
            if num_tokens and num_tokens + num_next_tokens > budget:
                break
            num_tokens += num_next_tokens
            self._running.count_prefill(group, num_next_tokens)
            with self._counts.reading():
                logits = self._calls.prefill(group, self._fail_group)
                if not group.prefill.num_next_tokens:
                    self._running.start_decoding(group)
                if logits is not None:
                    deltas += self._append(group, logits)
            # When its time is, too: a window may end meanwhile.
            self._counts.count_rows(group.handle.attempt.counts, 0, num_next_tokens)
        return deltas

    def _decode(self, circle: str) -> Deltas:
        """Run a decode step of all groups of a circle whose prefill is complete."""
        deltas = Deltas()
        for group, logits in self._calls.decode(self._running.decoding_in(circle), self._fail_group):
            if group.advance_prefix():
                deltas += self._append(group, logits)
        return deltas

    def _append(self, group: SequenceGroup, logits: Floats) -> Deltas:
        """Let a group choose its next tokens, and note whether that finishes it."""
        if group not in self._running.decoding:
            return []  # another group of the same job has failed in this step
        try:
            deltas = group.handle.transform(group.request, group.append(logits))
        except Exception as error:  # logits without a possible token, or a bug in the job's stream transform
            self._fail_group(group, error)
            return []
        self._metrics.count_token(group)
        self._counts.count_tokens(group.handle.attempt.counts, len(group.slots))
        if group.outputs:
            self._running.finish(group)
        return [(group.handle, delta) for delta in deltas]

    def _fail_group(self, group: SequenceGroup, error: BaseException) -> None:
        self._fail_request(group.handle, error)

    def _fail_request(self, handle: GenerationHandle, error: BaseException) -> None:
        about = {"model": self._name, **handle.attempt.claim.log_fields}
        logger.error("generation failed", exc_info=error, extra=about)
        self.fail(handle, error)
