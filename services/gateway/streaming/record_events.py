"""The events of a job that nobody followed, made of its record.

Such a job has no stream of events in the store: an entry for each change would cost more than the change. Its record
says when it was queued, started and ended. The ids follow from these times, and are the same however often they are
made, so a client can resume after one. `follow.lua` begins the stream of a job that is followed later with the same
ids.
"""

from contracts.jobs import Event, Job


def events_of(job: Job) -> list[Event]:
    """Return the events of a finished job that has no stream, oldest first."""
    moments = [(job.created_at, "queued", 0)]
    if job.started_at is not None:
        moments.append((job.started_at, "started", job.attempt))
    moments.append((job.completed_at or job.created_at, job.status, job.attempt))
    events, last_ms = [], 0
    for index, (time, name, attempt) in enumerate(moments):
        # Ids must increase, even if the store's clock was set back a little.
        last_ms = max(last_ms, int(time * 1000))
        events.append(Event(f"{last_ms}-{index}", name, {"attempt": str(attempt)}))
    return events


def is_after(event: Event, event_id: str) -> bool:
    """Return whether an event comes after the one with an id."""
    return _parts(event.id) > _parts(event_id)


def _parts(event_id: str) -> tuple[int, int]:
    ms, _, number = event_id.partition("-")
    return int(ms), int(number or 0)
