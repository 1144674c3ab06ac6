"""A job's texts while they are written, as signs: what is new to the client, attempt after attempt, and the end.

The job's events tell how the texts grow; its record tells how it ended, and has the last word.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.generation import TextDelta
from contracts.jobs import Event, Job
from contracts.store.job_reader import JobReader
from contracts.tasks import TASKS
from services.gateway.http.errors import GatewayStopping
from services.gateway.jobs.outcome import raise_unless_succeeded
from services.gateway.streaming.deltas import Growth
from services.gateway.streaming.follower import Follower

_PIECES = msgspec.json.Decoder(list[TextDelta])
_OUTPUTS: dict[str, msgspec.json.Decoder[Any]] = {
    spec.name: msgspec.json.Decoder(spec.output | list.__class_getitem__(spec.output))
    for spec in TASKS.values()
    if spec.streams
}


@dataclass(frozen=True)
class Grown:
    """The texts have grown. Whoever knows of the event ``event_id`` has all that came before."""

    event_id: str
    pieces: list[TextDelta]


@dataclass(frozen=True)
class Again:
    """The job is tried again; what the client has is not told twice."""

    attempt: int


@dataclass(frozen=True)
class Ended:
    """The job succeeded. ``pieces`` are what the client still lacks, ``outputs`` the task's answer to each input."""

    event_id: str
    pieces: list[TextDelta]
    job: Job
    outputs: list[Any]


Sign = Grown | Again | Ended | None
"""None: nothing new; a moment to see to other things, at least every ``waiting.NET_S``."""


def outputs_of(job: Job) -> list[Any]:
    """Return the answer to each input of a succeeded job whose task streams, as the task's own type."""
    found = _OUTPUTS[job.task].decode(job.output or b"[]")
    return found if isinstance(found, list) else [found]


def signs(follower: Follower, reader: JobReader, job_id: str, tenant: str) -> Iterator[Sign]:
    """Yield the signs of a job from its beginning, until its end.

    Raises:
        TriptychError: how the job ended, unless it ended well; or why there is no more to be told.
    """
    growth, event_id = Growth(), ""
    with closing(follower.follow(job_id, tenant, "0")) as batches:  # type: ignore[type-var]
        for batch in batches:
            for event in batch:
                event_id = event.id
                sign = _sign_of(event, growth)
                if sign is not None:
                    yield sign
            yield None
    job = reader.read(job_id, tenant)
    if not job.finished:
        raise GatewayStopping(f"The gateway is stopping. The job goes on: follow it at /v1/jobs/{job_id}/events.")
    raise_unless_succeeded(job)
    outputs = outputs_of(job)
    yield Ended(event_id, growth.complete(outputs), job, outputs)


def _sign_of(event: Event, growth: Growth) -> Sign:
    if event.name == "output":
        pieces = growth.add(int(event.fields["attempt"]), _PIECES.decode(event.fields["pieces"]))
        return Grown(event.id, pieces) if pieces else None
    if event.name == "started":
        attempt = int(event.fields["attempt"])
        growth.begin(attempt)
        return Again(attempt) if attempt > 1 else None
    return None
