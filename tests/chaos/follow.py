"""Clients that follow a job by its events, and continue after the last one that they have."""

from typing import Any

from tests.chaos.calls import ENDS, Event, Lost, stream
from tests.chaos.catalogue import text_of
from tests.chaos.client import Client
from tests.chaos.ledger import Entry


def follow_to_the_end(client: Client, entry: Entry) -> None:
    """Follow a job over as many connections as it takes, then check its events."""
    events: list[Event] = []
    while not (events and events[-1].name in ENDS):
        if not _read_on(client, entry, events):
            return
    check_events(entry, events, "events")


def _read_on(client: Client, entry: Entry, events: list[Event]) -> bool:
    """Read events on one connection, after those that are there; return whether to go on."""
    headers = {"Last_Event_ID": events[-1].id} if events else {}
    try:
        with stream(client.url(), "GET", f"/v1/jobs/{entry.job_id}/events", **headers) as answer:
            if not answer.is_stream:
                if not answer.may_pass:
                    entry.problem(f"events after {headers}: {answer.status} {answer.data}")
                    return False
                client.pause(f"events: {answer.status}", entry)
                return True
            for event in answer.data:
                if event.id:  # else it repeats the place of a job that waits, and is no part of the stream
                    events.append(event)  # at once: what has come before a loss stays
    except Lost as error:
        client.ledger.count("streams continued")
        client.pause(f"events: {error}", entry)
        return True
    if not (events and events[-1].name in ENDS):
        client.ledger.count("streams continued")
        client.pause(f"events: they ended after {events[-1:]!r:.100}", entry)
    return True


def check_events(entry: Entry, events: list[Event], where: str) -> None:
    """Check the events of a job from the beginning: one end, the last; each once; the deltas are the answer."""
    names = [event.name for event in events]
    if sum(name in ENDS for name in names) != 1 or names[-1] not in ENDS:
        entry.problem(f"{where}: not one end at the end: {names[-8:]}")
        return
    ids = [tuple(map(int, event.id.split("-"))) for event in events]
    if ids != sorted(set(ids)):
        entry.problem(f"{where}: ids are not in order, or come twice")
    job = events[-1].data
    entry.check_end(job, where)
    attempts = [event.data["attempt"] for event in events if event.name == "started"]
    if attempts != sorted(attempts):
        entry.problem(f"{where}: attempts {attempts}")
    if entry.streamed and job["status"] == "succeeded":
        _check_deltas(entry, events, job, where)


def _check_deltas(entry: Entry, events: list[Event], job: dict[str, Any], where: str) -> None:
    """Check that the last attempt has streamed the whole text, and others its beginning."""
    texts: dict[tuple[int, int], str] = {}
    for event in events:
        if event.name == "output":
            for delta in event.data["pieces"]:
                key = event.data["attempt"], delta.get("sequence", 0)
                texts[key] = texts.get(key, "") + delta.get("text", "")
    last = job["attempt"]
    whole = text_of(job["output"])
    if texts.get((last, 0), "") != whole:
        entry.problem(f"{where}: attempt {last} streamed {texts.get((last, 0))!r:.300}, the answer is {whole!r:.300}")
    for (attempt, number), text in texts.items():
        if number == 0 and not whole.startswith(text):
            entry.problem(f"{where}: attempt {attempt} streamed {text!r:.300}, the answer is {whole!r:.300}")
