"""The decoding loop of one model: texts join after their input is read and leave at their end, at every step.

A turn reads a bounded piece of what new texts are written from, oldest first, and then writes one token for every text
that has read its input, in one model call. So a long prompt holds up the others by one piece a step, and a text that
ends makes room for the next one at once. The source of an encoder is one piece, however long.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from contracts.generation import TextDelta
from workers.runtime.attempts.attempt import AttemptStopped
from workers.runtime.attempts.failures import as_job_error
from workers.runtime.decoding.beam_search.group import BeamGroup
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import RequestHandle
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.prefill import MAX_CHUNK_TOKENS
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sequence import Row
from workers.runtime.decoding.sequence_group import DecodingModel, Running
from workers.runtime.decoding.waiting_queue import WaitingQueue

logger = logging.getLogger(__name__)
MAX_IDLE_CHUNKS = 4
"""Pieces that a turn reads while nobody waits for a next token."""
Deltas = list[tuple[RequestHandle, TextDelta]]
Logits = TypeVar("Logits", Floats, Floats | None)


class Scheduler:
    """All texts of one model. Used by the inference thread only, but for ``num_running`` and ``num_waiting``."""

    def __init__(self, model: DecodingModel, metrics: DecodingMetrics) -> None:
        self._model = model
        self._cache = model.cache
        self._metrics = metrics
        self._waiting: WaitingQueue[RequestHandle, int] = WaitingQueue()
        self._reading: deque[Running] = deque()
        self._writing: list[Running] = []
        self._ended: list[Running] = []

    def __bool__(self) -> bool:
        return bool(self._reading or self._writing or self._waiting.first())

    @property
    def num_running(self) -> int:
        """Places of the cache that are taken."""
        return sum(len(row.places) for row in (*self._reading, *self._writing))

    @property
    def num_waiting(self) -> int:
        """Orders that wait for a place."""
        return len(self._waiting)

    @property
    def handles(self) -> list[RequestHandle]:
        """The tickets that have rows here, each once."""
        running = (row.handle for row in (*self._reading, *self._writing))
        return list(dict.fromkeys((*running, *self._waiting.jobs)))

    def add(self, handle: RequestHandle) -> None:
        """Put all texts of a ticket into the line."""
        self._waiting.add(handle, range(len(handle.requests)))

    def drop(self, handle: RequestHandle) -> None:
        """Forget all rows of a ticket, wherever they are."""
        self._waiting.discard(handle)
        for row in [row for row in (*self._reading, *self._writing) if row.handle is handle]:
            self._remove(row)

    def step(self, emit: Callable[[Deltas], None]) -> None:
        """Read a piece of the prompts, then write one token for each row; ``emit`` gets what has grown, after both."""
        for handle in self.handles:
            if handle.attempt.should_stop:
                self.end(handle, AttemptStopped())
        self._admit()
        try:
            if deltas := self._read():
                emit(deltas)
                self._settle()
            emit(self._write(list(self._writing)))
        finally:
            self._settle()

    def end(self, handle: RequestHandle, error: BaseException) -> None:
        """End a ticket without its texts."""
        self.drop(handle)
        handle.fail(error if isinstance(error, AttemptStopped) else as_job_error(error))

    def _admit(self) -> None:
        """Give places to those who are next, as long as there is room."""
        while first := self._waiting.first():
            handle, index = first
            others = {other.handle for other in (*self._reading, *self._writing)} - {handle}
            if others and (handle.attempt.isolated or any(other.attempt.isolated for other in others)):
                return
            request = handle.requests[index]
            places = self._take(request)
            if not places:
                return
            running = BeamGroup if request.beams else Row
            self._reading.append(running(handle, self._waiting.take(), places, self._model))
            handle.started()

    def _take(self, request: GenerationRequest) -> list[int]:
        """Return places for all texts of an order that grow at once; none as long as there is no room for all."""
        places: list[int] = []
        for _ in range(request.num_places):
            place = self._cache.allocate(request.max_length)
            if place is None:
                for taken in places:
                    self._cache.free(taken)
                return []
            places.append(place)
        return places

    def _read(self) -> Deltas:
        """Read pieces of inputs, the oldest first: one, or several that are short, while others wait for a token."""
        budget = MAX_CHUNK_TOKENS if self._writing else MAX_CHUNK_TOKENS * MAX_IDLE_CHUNKS
        num_read = 0
        deltas: Deltas = []
        while self._reading:
            row = self._reading[0]
            num_next = row.reader.num_next
            if num_read and num_read + num_next > budget:
                break
            num_read += num_next
            try:
                logits = self._call([row], [num_next], partial(row.reader.read, self._cache, row.places))
            except BaseException as error:  # a MemoryError or SystemExit in a model call must not end the thread
                self._fail(row, error)
                continue
            self._metrics.tokens_in += num_next
            if not row.reader.num_next:
                self._reading.popleft()
                self._writing.append(row)
            if logits is not None:
                deltas += self._accept(row, logits)
        return deltas

    def _write(self, rows: Sequence[Running]) -> Deltas:
        """Write a token for each row; if that fails, for each by itself, so that only the culprit's job fails."""
        if not rows:
            return []
        fed = [row.fed() for row in rows]
        places = [place for its_places, _ in fed for place in its_places]
        token_ids = [token_id for _, its_tokens in fed for token_id in its_tokens]
        try:
            logits = self._call(rows, [1] * len(places), partial(self._cache.step, places, token_ids))
        except BaseException as error:
            if len(rows) == 1:
                self._fail(rows[0], error)
                return []
            return [delta for row in rows if row in self._writing for delta in self._write([row])]
        ends = np.cumsum([len(its_places) for its_places, _ in fed])[:-1]
        deltas: Deltas = []
        for row, its in zip(rows, np.split(logits, ends), strict=True):
            deltas += self._accept(row, its) if row.reader.has_fed() else []
        return deltas

    def _call(self, rows: Sequence[Running], lengths: Sequence[int], run: Callable[[], Logits]) -> Logits:
        started = time.perf_counter()
        with self._metrics.calling(lengths):
            logits = run()
        elapsed_s = time.perf_counter() - started
        for handle in {row.handle for row in rows}:
            handle.infer_s += elapsed_s
        return logits

    def _accept(self, row: Running, logits: Floats) -> Deltas:
        """Let a row choose what comes next, and leave if that was its end."""
        if row not in self._writing:  # its job has failed with another of its rows
            return []
        try:
            deltas = row.handle.transform(row.request, row.accept(logits))
        except Exception as error:
            self._fail(row, error)
            return []
        self._count(row)
        if row.finish_reason:
            self._remove(row)
            self._ended.append(row)
        return [(row.handle, delta) for delta in deltas]

    def _settle(self) -> None:
        """Hand finished texts to their tickets: after they were told, since what comes after a job's end is refused."""
        ended, self._ended = self._ended, []
        for row in ended:
            row.settle()

    def _count(self, row: Running) -> None:
        now = time.perf_counter()
        self._metrics.tokens_out += 1
        if row.num_written > 1:
            self._metrics.token_gap.add(now - row.last_at)
        elif (first_s := row.handle.has_token()) is not None:
            self._metrics.first_token.add(first_s)
        row.last_at = now

    def _fail(self, row: Running, error: BaseException) -> None:
        logger.error("text not written", exc_info=error, extra={"model": self._model.name})
        self.end(row.handle, error)

    def _remove(self, row: Running) -> None:
        for place in row.places:
            self._cache.free(place)
        if row in self._writing:
            self._writing.remove(row)
        else:
            self._reading.remove(row)
