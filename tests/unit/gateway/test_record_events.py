"""Events that are made of a job's record."""

from typing import Any

from contracts.jobs import Event, Job
from services.gateway.streaming.record_events import events_of, is_after


def job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        **{"id": "a", "tenant": "t", "task": "embed", "model": "m", "status": "succeeded", "version": 3},
        **{"attempt": 2, "crashes": 1, "deadline_at": 9e9},
        **{"created_at": 1000.0015, "started_at": 1001.25, "completed_at": 1002.5},
    }
    return Job(**(fields | changes))


def test_ids_are_the_times_in_milliseconds() -> None:
    events = events_of(job())
    assert [(event.id, event.name, event.fields) for event in events] == [
        ("1000001-0", "queued", {"attempt": "0"}),
        ("1001250-1", "started", {"attempt": "2"}),
        ("1002500-2", "succeeded", {"attempt": "2"}),
    ]


def test_ids_increase_although_the_clock_was_set_back() -> None:
    events = events_of(job(created_at=1005.0))
    assert [event.id for event in events] == ["1005000-0", "1005000-1", "1005000-2"]


def test_a_client_resumes_after_any_id() -> None:
    event = Event("1000-1", "started", {})
    earlier, later = ("0", "999", "999-5", "1000", "1000-0"), ("1000-1", "1000-2", "1001", "1001-0")
    assert all(is_after(event, event_id) for event_id in earlier)
    assert not any(is_after(event, event_id) for event_id in later)
