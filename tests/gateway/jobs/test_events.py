"""Server-sent events of a job: all of them, from any point on, until its end."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx

from contracts.errors import WorkerLost
from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.streams import num_streams
from tests.support.waiting import PATIENCE_S, wait_until

Submit = Callable[..., dict[str, Any]]


def read_events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Parse a stream of events, as far as it is read."""
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "":
            if event:
                yield {**event, "data": json.loads(event["data"])}
            event = {}
        elif name:
            event[name] = value


def all_events(http: httpx.Client, path: str, **options: Any) -> list[dict[str, Any]]:
    with http.stream("GET", path, **options) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-store"
        return [lasting(event) for event in read_events(answer.iter_lines())]


def lasting(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the time that comes nearer with the first reading of the job, and without its place."""
    kept = {name: value for name, value in event["data"].items() if name not in {"expires_at", "queue"}}
    return {**event, "data": kept}


def whole_life(stack: Stack, http: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Follow a job while it runs, which the test does by hand, and return its events."""
    with http.stream("GET", job["urls"]["events"]) as answer:
        events = read_events(answer.iter_lines())
        found = [lasting(next(events))]
        claim = stack.store.claim(job["id"], "by hand")
        assert claim is not None
        for done in (1, 2):
            stack.store.progress([(claim, done, 3)])
        stack.store.fail(claim, WorkerLost())
        return [*found, *map(lasting, events)]


def test_events_cover_the_whole_life_of_a_job(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    job = submit(["one", "two", "three"], model=UNSERVED)
    events = whole_life(stack, http, job)
    assert [event["event"] for event in events] == ["queued", "started", "progress", "progress", "failed"]
    assert events[2]["data"] == {"attempt": 1, "done": 1, "total": 3}
    assert events[-1] == lasting({**events[-1], "data": http.get(f"/v1/jobs/{job['id']}").json()})
    assert all_events(http, job["urls"]["events"]) == events


def test_a_stream_resumes_after_the_last_event_id(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    job = submit(["one", "two", "three"], model=UNSERVED)
    path, events = job["urls"]["events"], whole_life(stack, http, job)
    for seen in range(len(events) - 1):
        by_header = all_events(http, path, headers={"Last-Event-ID": events[seen]["id"]})
        by_query = all_events(http, path, params={"starting_after": events[seen]["id"]})
        assert by_header == by_query == events[seen + 1 :]
    ended = http.get(path, headers={"Last-Event-ID": events[-1]["id"]})
    assert (ended.status_code, ended.content) == (204, b"")


def test_events_arrive_while_they_happen(http: httpx.Client, submit: Submit) -> None:
    job = submit("hold on")
    with http.stream("GET", job["urls"]["events"]) as answer:
        events = read_events(answer.iter_lines())
        assert [next(events)["event"] for _ in range(2)] == ["queued", "started"]
        http.post(job["urls"]["cancel"])
        assert [event["event"] for event in events] == ["cancelling", "cancelled"]


def test_a_stream_ends_when_its_job_is_deleted(http: httpx.Client, submit: Submit) -> None:
    job = submit(model=UNSERVED)
    with http.stream("GET", job["urls"]["events"]) as answer:
        events = read_events(answer.iter_lines())
        assert next(events)["event"] == "queued"
        http.delete(job["urls"]["self"])
        assert [event["event"] for event in events] in ([], ["cancelled"])


def test_a_bad_event_id_is_refused(http: httpx.Client, submit: Submit) -> None:
    path = submit(model=UNSERVED)["urls"]["events"]
    for bad in ("x", "1-2-3", "-1", "9" * 30, "$", "+"):
        answer = http.get(path, headers={"Last-Event-ID": bad})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_open_streams_are_limited_and_freed_when_they_end(stack: Stack, submit: Submit) -> None:
    path = submit(model=UNSERVED)["urls"]["events"]
    wait_until(lambda: num_streams(stack.gateway) == 0, "a stream of another test is still open")
    # Not pooled: each stream is a connection, and closing the client closes it.
    with httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client, ExitStack() as streams:
        statuses = [streams.enter_context(client.stream("GET", path)).status_code for _ in range(20)]
        assert set(statuses) == {200}
        refused = client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_streams")
        assert "Retry-After" in refused.headers
    # A stream learns that its client is gone when it next writes, so the job's end has to be written.
    with httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client:
        client.post(path.replace("events", "cancel"))
        wait_until(lambda: client.get(path).status_code == 200, "no room for a stream")


def test_keepalives_are_sent_while_nothing_happens(stack: Stack, submit: Submit) -> None:
    path = submit(model=UNSERVED)["urls"]["events"]
    found = threading.Event()
    with httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client, client.stream("GET", path) as answer:
        for line in answer.iter_lines():
            if line == ": keepalive":
                found.set()
                break
    assert found.is_set()
