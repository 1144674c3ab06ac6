"""Reads of many jobs' events in one round trip: a step of a worker grows many texts, and wakes all who follow them."""

from collections.abc import Sequence

import gevent
from gevent.event import AsyncResult

from contracts.jobs import Event
from contracts.store.job_reader import JobReader


class EventReader:
    """Puts reads together that are asked for in the same moment."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader
        self._asked: list[tuple[str, str]] = []
        self._answers: list[AsyncResult] = []

    def read(self, job_id: str, after: str) -> list[Event]:
        """Return and raise as ``JobReader.events``."""
        answer = AsyncResult()
        self._asked.append((job_id, after))
        self._answers.append(answer)
        if len(self._asked) == 1:
            gevent.spawn(self._read_all)  # runs after all greenlets that are awake by now
        events: list[Event] = answer.get()
        return events

    def _read_all(self) -> None:
        asked, self._asked = self._asked, []
        answers, self._answers = self._answers, []
        try:
            found: Sequence[list[Event]] = self._reader.events_of_many(asked)
        except Exception as error:
            for answer in answers:
                answer.set_exception(error)
        else:
            for answer, events in zip(answers, found, strict=True):
                answer.set(events)
