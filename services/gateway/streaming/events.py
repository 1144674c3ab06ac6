"""What happens to a streamed job, from its client's view: new deltas, a retry, the end.

The job's events carry the deltas. The job's record says how it ended, and decides when the two differ.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gevent
import msgspec

from contracts.generation import TextDelta
from contracts.jobs import Event, Job
from contracts.store.job_reader import JobReader
from contracts.tasks import TASKS
from services.gateway.http.errors import GatewayStopping
from services.gateway.jobs.outputs.result import outputs_of
from services.gateway.streaming.deltas import DeltaDeduplicator, cut
from services.gateway.streaming.follower import Follower

MAX_TOKENS = 100
"""Tokens that are formatted in one turn of the event loop. Only what was lost of a stream comes in larger deltas."""
_DELTAS = msgspec.json.Decoder(list[TextDelta])


@dataclass(frozen=True)
class NewDeltas:
    """The texts have grown. A client that resumes after ``event_id`` has received all that came before."""

    event_id: str
    deltas: list[TextDelta]


@dataclass(frozen=True)
class Retried:
    """Another attempt at the job has started. Its deltas are de-duplicated."""

    attempt: int


@dataclass(frozen=True)
class Failed:
    """The job has ended without success."""

    job: Job


@dataclass(frozen=True)
class Finished:
    """The job has succeeded. ``deltas`` are what the client still lacks, ``outputs`` the answer to each input."""

    event_id: str
    deltas: list[TextDelta]
    job: Job
    outputs: list[Any]


StreamEvent = NewDeltas | Retried | Failed | Finished | None
"""None: nothing has happened. It comes at least every ``wake_ups.POLL_S``, so that the client can be checked on."""


def stream_events(
    follower: Follower, reader: JobReader, job_id: str, tenant: str, *, is_followed: bool
) -> Iterator[StreamEvent]:
    """Yield the stream events of a job from its beginning to its end.

    Raises:
        TriptychError: the stream can't be continued.
    """
    deduplicator, event_id = DeltaDeduplicator(), ""
    # Closed at once and not by the garbage collector: the generator holds a watch of the job.
    with closing(follower.follow(job_id, tenant, "0", is_followed=is_followed)) as batches:  # type: ignore[type-var]
        for batch in batches:
            for event in batch:
                # Also the ids of events that are not passed on, so that a client that resumes does not get them.
                event_id = event.id
                found = _stream_event(event, deduplicator)
                if found is not None:
                    yield found
            yield None
    # `follow` also ends when the gateway stops, so the record has to say whether the job has finished.
    job = reader.read(job_id, tenant)
    if not job.finished:
        raise GatewayStopping(f"The gateway is stopping. The job goes on: follow it at /v1/jobs/{job_id}/events.")
    if job.status != "succeeded":
        yield Failed(job)
        return
    outputs = outputs_of(job, pause=lambda: gevent.sleep(0))
    missing = cut(deduplicator.complete(_final_deltas(job, outputs)), MAX_TOKENS)
    for delta in missing[:-1]:
        # Without an id: the client does not have all that came before the end.
        yield NewDeltas("", [delta])
        gevent.sleep(0)
    yield Finished(event_id, missing[-1:], job, outputs)


def _stream_event(event: Event, deduplicator: DeltaDeduplicator) -> StreamEvent:
    if event.name == "output":
        deltas = deduplicator.add(int(event.fields["attempt"]), _DELTAS.decode(event.fields["pieces"]))
        return NewDeltas(event.id, deltas) if deltas else None
    if event.name == "started":
        attempt = int(event.fields["attempt"])
        deduplicator.start_attempt(attempt)
        return Retried(attempt) if attempt > 1 else None
    return None


def _final_deltas(job: Job, outputs: list[Any]) -> Iterator[list[TextDelta]]:
    stream = TASKS[job.task].stream
    return (stream.deltas(output) for output in outputs) if stream else iter(())
