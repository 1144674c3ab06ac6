"""Reads the events of many jobs in one round trip.

One decode step of a worker adds a token to each of its running sequences, which wakes the followers of all their jobs
at the same moment. A round trip for each would cost the gateway and the store more than the events themselves.
"""

from collections.abc import Sequence

import gevent
from gevent.event import AsyncResult

from contracts.jobs import Event
from contracts.store.job_reader import MAX_EVENTS_READ, JobReader

MAX_EVENTS = 2 * MAX_EVENTS_READ
"""Events of all jobs in one batch: they are decoded in one turn of the event loop."""
MIN_EVENTS = 20
"""Of each job, however many read at once; a decode step adds one."""


class EventReader:
    """Batches the reads that are requested in the same turn of the event loop."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader
        self._requested: list[tuple[str, str]] = []
        self._results: list[AsyncResult] = []

    def read(self, job_id: str, after: str) -> tuple[list[Event], bool]:
        """Return some events of ``JobReader.events``, and whether there may be more of them; raise as it does."""
        result = AsyncResult()
        self._requested.append((job_id, after))
        self._results.append(result)
        if len(self._requested) == 1:
            # A new greenlet runs after all that are ready now, so their reads join this batch.
            gevent.spawn(self._read_all)
        found: tuple[list[Event], bool] = result.get()
        return found

    def _read_all(self) -> None:
        requested, self._requested = self._requested, []
        results, self._results = self._results, []
        count = min(MAX_EVENTS_READ, max(MIN_EVENTS, MAX_EVENTS // len(requested)))
        try:
            found: Sequence[list[Event]] = self._reader.events_of_many(requested, count)
        except Exception as error:  # of any kind: a reader without a result would wait for ever
            for result in results:
                result.set_exception(error)
        else:
            for result, events in zip(results, found, strict=True):
                result.set((events, len(events) == count))
