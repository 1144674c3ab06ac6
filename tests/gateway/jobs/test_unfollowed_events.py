"""Events of jobs that nobody followed from the beginning: made of the record, with ids at which a client can resume."""

from collections.abc import Callable
from typing import Any

import httpx

from contracts.errors import WorkerLost
from contracts.jobs import Claim
from contracts.store.changes import changes_from
from contracts.store.keys import events_key
from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.jobs.test_events import all_events, lasting, read_events
from tests.support.waiting import wait_until

Submit = Callable[..., dict[str, Any]]
Event = dict[str, Any]


def claimed(stack: Stack, job_id: str) -> Claim:
    claim = stack.store.claim(job_id, "by hand")
    assert claim is not None
    return claim


def has_stream(stack: Stack, job_id: str) -> bool:
    return bool(stack.store.client.exists(events_key(job_id)))


def names(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]


def first_events(http: httpx.Client, path: str, num: int) -> list[Event]:
    """Return the first events of a stream, and close it."""
    with http.stream("GET", path) as answer:
        events = read_events(answer.iter_lines())
        return [next(events) for _ in range(num)]


def test_the_events_of_a_job_that_nobody_followed_are_made_of_its_record(
    stack: Stack, http: httpx.Client, submit: Submit
) -> None:
    job = submit(["steps", "two"])
    path = job["urls"]["events"]
    finished = http.get(job["urls"]["self"], params={"wait": 60}).json()
    assert not has_stream(stack, job["id"])
    events = all_events(http, path)
    assert names(events) == ["queued", "started", "succeeded"]
    assert [event["data"]["attempt"] for event in events] == [0, 1, 1]
    assert events[-1]["data"]["output"] == finished["output"]
    assert all_events(http, path) == events and not has_stream(stack, job["id"])
    for seen in range(len(events) - 1):
        resumed = all_events(http, path, headers={"Last-Event-ID": events[seen]["id"]})
        assert resumed == events[seen + 1 :]
    assert http.get(path, headers={"Last-Event-ID": events[-1]["id"]}).status_code == 204


def test_a_job_that_ended_before_it_was_started_has_no_such_event(
    stack: Stack, http: httpx.Client, submit: Submit
) -> None:
    job = submit(model=UNSERVED)
    http.post(job["urls"]["cancel"])
    assert names(all_events(http, job["urls"]["events"])) == ["queued", "cancelled"]


def test_the_first_follower_of_a_running_job_gets_what_has_happened_before(
    stack: Stack, http: httpx.Client, submit: Submit
) -> None:
    job = submit(["one", "two", "three"], model=UNSERVED)
    claim = claimed(stack, job["id"])
    stack.store.progress([(claim, 1, 3)])
    assert not has_stream(stack, job["id"])
    before = first_events(http, job["urls"]["events"], 2)
    assert names(before) == ["queued", "started"]
    stack.store.progress([(claim, 2, 3)])
    stack.store.fail(claim, WorkerLost())
    events = all_events(http, job["urls"]["events"])
    assert events[:2] == before and names(events[2:]) == ["progress", "failed"]
    # A client that was disconnected in between gets neither doubles nor gaps.
    for seen in range(len(events) - 1):
        resumed = all_events(http, job["urls"]["events"], headers={"Last-Event-ID": events[seen]["id"]})
        assert resumed == events[seen + 1 :]
    assert http.get(job["urls"]["events"], headers={"Last-Event-ID": events[-1]["id"]}).status_code == 204


def test_ids_are_the_same_whether_a_stream_has_them_or_the_record(
    stack: Stack, http: httpx.Client, submit: Submit
) -> None:
    job = submit(model=UNSERVED)
    claim = claimed(stack, job["id"])
    streamed = first_events(http, job["urls"]["events"], 2)
    stack.store.fail(claim, WorkerLost())
    # As if the store had come back without the last second of its data, in which the stream began.
    stack.store.client.delete(events_key(job["id"]))
    events = all_events(http, job["urls"]["events"], headers={"Last-Event-ID": streamed[0]["id"]})
    assert names(events) == ["started", "failed"] and events[0] == streamed[1]


def test_several_followers_share_one_stream(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    job = submit(model=UNSERVED)
    with http.stream("GET", job["urls"]["events"]) as first, http.stream("GET", job["urls"]["events"]) as second:
        readers = [read_events(answer.iter_lines()) for answer in (first, second)]
        assert [next(reader)["event"] for reader in readers] == ["queued", "queued"]
        claim = claimed(stack, job["id"])
        stack.store.fail(claim, WorkerLost())
        both = [list(map(lasting, reader)) for reader in readers]
    assert both[0] == both[1] and names(both[0]) == ["started", "failed"]


def test_a_stream_that_an_older_version_has_begun_goes_on(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    job = submit(model=UNSERVED)
    old_id = stack.store.client.xadd(events_key(job["id"]), {"event": "queued", "attempt": 0}).decode()
    assert [event["id"] for event in first_events(http, job["urls"]["events"], 1)] == [old_id]
    http.post(job["urls"]["cancel"])
    assert names(all_events(http, job["urls"]["events"])) == ["queued", "cancelled"]


def test_nobody_hears_of_a_job_for_which_nobody_waits(stack: Stack, http: httpx.Client, submit: Submit) -> None:
    with stack.store.client.pubsub() as heard:
        heard.psubscribe("triptych:wake:*")
        wait_until(lambda: heard.get_message(timeout=0.1), "not subscribed")
        silent = submit()["id"]
        wait_until(lambda: stack.store.read(silent, "default").finished, "not finished")
        awaited = http.post("/v1/embed", json={"inputs": "text"}).headers["X-Triptych-Job-Id"]
        changes: list[tuple[str, str]] = []

        def end_was_published() -> bool:
            message = heard.get_message(timeout=0.1)
            for change in changes_from(message["data"]) if message else ():
                changes.append((change.job_id, change.status))
            return (awaited, "succeeded") in changes

        wait_until(end_was_published, "the end was not published")
    assert not [change for change in changes if change[0] == silent]
