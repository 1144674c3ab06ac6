"""Streams of texts whose store is killed or frozen, or whose gateway is killed: each piece once, and no end missing."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.faults.fleet import LEASE_S
from tests.faults.stream_clients import NUM_TOKENS, WILD, Following, OpenAIChat, RawChat, chat
from tests.faults.writing_fleet import WritingFleet, texts_of
from tests.support.waiting import wait_until

SLOW = "fault:slow=0.03 Tell me of the sea."


def submit(fleet: WritingFleet, url: str) -> str:
    """Submit a streamed job of two texts; return its id."""
    body: dict[str, Any] = {"task": "generate", "model": fleet.model, "inputs": SLOW, "stream": True}
    body["parameters"] = {"n": 2, "do_sample": True, "max_new_tokens": NUM_TOKENS}
    return str(httpx.post(f"{url}/v1/jobs", json=body).json()["id"])


def kill(fleet: WritingFleet) -> None:
    fleet.server.kill()
    fleet.server.start()


def freeze(fleet: WritingFleet) -> None:
    fleet.server.freeze()
    threading.Event().wait(LEASE_S + 0.5)  # the fault itself: longer than a lease, and than the gateway's patience
    fleet.server.thaw()


@pytest.mark.parametrize("strike", [kill, freeze])
def test_the_store_fails_in_mid_stream(writing_fleet: WritingFleet, strike: Callable[[WritingFleet], None]) -> None:
    fleet = writing_fleet
    gateway, (worker,) = fleet.start()
    chats = [RawChat(gateway, chat(f"{SLOW} {number}", **WILD)) for number in range(2)]
    native = Following(lambda: gateway.url, submit(fleet, gateway.url))
    wait_until(lambda: native.told(1) and all(one.text for one in chats), "a stream does not begin")
    strike(fleet)
    for client in (*chats, native):
        client.end()
        assert client.error is None, client.error
    jobs = fleet.assert_each_ended_once([one.job_id for one in (*chats, native)])
    for one in chats:
        (text,) = texts_of(jobs[one.job_id])
        if one.last == "[DONE]":
            assert one.text == text
        else:
            assert one.last["error"]["code"] in {"store_unavailable", "unavailable"}, one.last
            assert one.text and text.startswith(one.text)
    assert native.told(native.attempts[-1]) == texts_of(jobs[native.job_id])
    assert_saw_all(fleet, native)
    assert worker.alive()
    fleet.assert_takes_jobs()


def assert_saw_all(fleet: WritingFleet, native: Following) -> None:
    """Prove that a client that came back saw each event once."""
    ids = [event["id"] for event in native.events]
    assert ids == [event.id for event in fleet.store.events(native.job_id, "0")]


def test_a_gateway_is_killed_in_mid_stream_and_clients_go_on_at_another(writing_fleet: WritingFleet) -> None:
    fleet = writing_fleet
    doomed = fleet.new_gateway()
    doomed.start()
    other, _ = fleet.start()
    doomed.wait_until_ready()
    urls = [doomed.url]
    native = Following(lambda: urls[-1], submit(fleet, doomed.url))
    key = {"Idempotency-Key": "the same again"}
    begun = RawChat(doomed, chat(SLOW, **WILD), **key)
    lost = OpenAIChat(doomed, chat(SLOW, **WILD))
    wait_until(lambda: native.told(1) and begun.text and lost.text, "a stream does not begin")
    for process in (psutil.Process(doomed.pid), *psutil.Process(doomed.pid).children()):
        process.kill()
    urls.append(other.url)
    again = RawChat(other, chat(SLOW, **WILD), **key)
    for client in (native, begun, lost, again):
        client.end()
    jobs = fleet.assert_each_ended_once([one.job_id for one in (native, again, lost)])
    assert {(job.status, job.attempt) for job in jobs.values()} == {("succeeded", 1)}
    assert native.num_connections > 1 and native.told(1) == texts_of(jobs[native.job_id])
    assert_saw_all(fleet, native)
    assert isinstance(begun.error, httpx.TransportError)
    assert isinstance(lost.error, httpx.TransportError | openai.APIError)
    assert begun.job_id == again.job_id and [again.text] == texts_of(jobs[again.job_id])
    for broken in (begun, lost):
        assert texts_of(jobs[broken.job_id])[0].startswith(broken.text)
