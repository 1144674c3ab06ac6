"""Streams whose store is killed or frozen, or whose gateway is killed: each delta comes once, and each stream ends."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from tests.faults.fleet import LEASE_S
from tests.faults.generating_fleet import GeneratingFleet, texts_of
from tests.faults.stream_clients import NUM_TOKENS, WILD, EventFollower, OpenAIChat, RawChat, chat
from tests.support.waiting import PATIENCE_S, wait_until

SLOW = "fault:slow=0.03 Tell me of the sea."
HELD = "fault:hold=4 Tell me of the sea."
"""For a job of two texts, and two of one."""


def submit(fleet: GeneratingFleet, url: str, text: str = SLOW) -> str:
    """Submit a streamed job of two texts and return its id."""
    body: dict[str, Any] = {"task": "generate", "model": fleet.model, "inputs": text, "stream": True}
    body["parameters"] = {"n": 2, "do_sample": True, "max_new_tokens": NUM_TOKENS}
    return str(httpx.post(f"{url}/v1/jobs", json=body, timeout=PATIENCE_S).json()["id"])


def kill(fleet: GeneratingFleet) -> None:
    fleet.server.kill()
    fleet.server.start()


def freeze(fleet: GeneratingFleet) -> None:
    fleet.server.freeze()
    threading.Event().wait(LEASE_S + 0.5)  # the fault itself: longer than a lease, and than the gateway's patience
    fleet.server.thaw()


def freeze_to_the_end(fleet: GeneratingFleet) -> None:
    """Freeze the store until the texts are whole, and longer than any patience but that of the publisher."""
    fleet.server.freeze()
    threading.Event().wait(12)
    fleet.server.thaw()


@pytest.mark.parametrize("outage", [kill, freeze, freeze_to_the_end])
def test_no_delta_is_lost_or_duplicated_when_the_store_fails_in_mid_stream(
    generating_fleet: GeneratingFleet, outage: Callable[[GeneratingFleet], None]
) -> None:
    fleet = generating_fleet
    gateway, (worker,) = fleet.start()
    chats = [RawChat(gateway, chat(f"{SLOW} {number}", **WILD)) for number in range(2)]
    native = EventFollower(lambda: gateway.url, submit(fleet, gateway.url))
    wait_until(lambda: native.texts_of_attempt(1) and all(each.text for each in chats), "a stream does not begin")
    outage(fleet)
    for client in (*chats, native):
        client.end()
        assert client.error is None, client.error
    jobs = fleet.assert_each_ended_once([each.job_id for each in (*chats, native)])
    for each in chats:
        (text,) = texts_of(jobs[each.job_id])
        if each.last == "[DONE]":
            assert each.text == text
        else:
            assert each.last["error"]["code"] in {"store_unavailable", "unavailable"}, each.last
            assert each.text and text.startswith(each.text)
    assert native.texts_of_attempt(native.attempts[-1]) == texts_of(jobs[native.job_id])
    assert_each_event_once(fleet, native)
    assert worker.alive()
    fleet.assert_takes_jobs()


def assert_each_event_once(fleet: GeneratingFleet, native: EventFollower) -> None:
    """Assert that a client that reconnected has each event once."""
    ids = [event["id"] for event in native.events]
    assert ids == [event.id for event in fleet.store.events(native.job_id, "0")]


def test_clients_of_a_gateway_killed_in_mid_stream_continue_at_another(generating_fleet: GeneratingFleet) -> None:
    fleet = generating_fleet
    doomed = fleet.new_gateway()
    doomed.start()
    other, _ = fleet.start()
    doomed.wait_until_ready()
    urls = [doomed.url]
    fleet.hold()  # or a text might end before the last stream has begun
    native = EventFollower(lambda: urls[-1], submit(fleet, doomed.url, HELD))
    key = {"Idempotency-Key": "the same again"}
    interrupted = RawChat(doomed, chat(HELD, **WILD), **key)
    lost = OpenAIChat(doomed, chat(HELD, **WILD))
    wait_until(lambda: native.texts_of_attempt(1) and interrupted.text and lost.text, "a stream does not begin")
    doomed.send(signal.SIGKILL)  # the kernel kills the processes that serve requests with it
    urls.append(other.url)
    again = RawChat(other, chat(HELD, **WILD), **key)
    fleet.release_hold()
    for client in (native, interrupted, lost, again):
        client.end()
    jobs = fleet.assert_each_ended_once([each.job_id for each in (native, again, lost)])
    assert {(job.status, job.attempt) for job in jobs.values()} == {("succeeded", 1)}
    assert native.num_connections > 1 and native.texts_of_attempt(1) == texts_of(jobs[native.job_id])
    assert_each_event_once(fleet, native)
    assert isinstance(interrupted.error, httpx.TransportError)
    assert isinstance(lost.error, httpx.TransportError | openai.APIError)
    assert interrupted.job_id == again.job_id and [again.text] == texts_of(jobs[again.job_id])
    for broken in (interrupted, lost):
        assert texts_of(jobs[broken.job_id])[0].startswith(broken.text)
