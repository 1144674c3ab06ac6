"""Texts that are cancelled or expire while they are written: their rows leave within about a step."""

import time
from typing import Any

import httpx
import pytest

from tests.faults.stream_clients import Following
from tests.faults.writing_fleet import WritingFleet
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import wait_until

SOON_S = 1.0
"""A step takes 0.1 s here, and there are 120 of them. The rest is for a machine that is busy."""
MAX_ROWS = 16


@pytest.fixture
def full(writing_fleet: WritingFleet) -> tuple[WritingFleet, GatewayProcess]:
    """A worker that has a place for no text beside those of one job, and a gateway."""
    gateway, _ = writing_fleet.start()
    return writing_fleet, gateway


def follow(gateway: GatewayProcess, num_texts: int, **more: Any) -> Following:
    """Submit a streamed job, and follow it."""
    parameters = {"n": num_texts, "do_sample": True, "max_new_tokens": 120}
    body = {"task": "generate", "inputs": "fault:slow=0.1", "stream": True, "parameters": parameters, **more}
    job = httpx.post(f"{gateway.url}/v1/jobs", json=body).json()
    return Following(lambda: gateway.url, job["id"])


def begun(gateway: GatewayProcess, **more: Any) -> tuple[Following, Following]:
    """Return a job whose texts have all places and are written, and one that waits for a place."""
    running = follow(gateway, MAX_ROWS, **more)
    wait_until(lambda: len(running.told(1)) == MAX_ROWS, "the texts are not written")
    waiting = follow(gateway, 1)
    wait_until(lambda: waiting.attempts == [1], "the job behind it was not taken")
    return running, waiting


def has_place(fleet: WritingFleet, waiting: Following, timeout_s: float = 20) -> float:
    """Wait until a job has a place; return when it told its first token, by the store's clock."""

    def first() -> float:
        told = [event.id for event in fleet.store.events(waiting.job_id, "0") if event.name == "output"]
        return int(told[0].partition("-")[0]) / 1000 if told else 0.0

    return wait_until(first, "no place became free")


def cancel(gateway: GatewayProcess, following: Following) -> None:
    assert httpx.post(f"{gateway.url}/v1/jobs/{following.job_id}/cancel").status_code in {200, 202}


def test_a_cancel_takes_effect_within_about_a_step(full: tuple[WritingFleet, GatewayProcess]) -> None:
    fleet, gateway = full
    running, waiting = begun(gateway)
    assert not waiting.told(1), "there was a place beside it"
    cancel(gateway, running)
    cancelled_at = time.monotonic()
    has_place(fleet, waiting)
    assert time.monotonic() - cancelled_at <= SOON_S
    running.end()
    assert time.monotonic() - cancelled_at <= 2 * SOON_S
    assert running.events[-1]["event"] == "cancelled"
    cancel(gateway, waiting)
    waiting.end()
    jobs = fleet.assert_each_ended_once([running.job_id, waiting.job_id])
    assert {(job.status, job.attempt) for job in jobs.values()} == {("cancelled", 1)}


def test_a_deadline_takes_effect_within_about_a_step(full: tuple[WritingFleet, GatewayProcess]) -> None:
    fleet, gateway = full
    running, waiting = begun(gateway, deadline_s=3)
    left_at = has_place(fleet, waiting)
    running.end()
    job = fleet.job(running.job_id)
    assert 0 <= left_at - job.deadline_at <= SOON_S
    assert job.status == running.events[-1]["event"] == "expired"
    cancel(gateway, waiting)
    fleet.assert_each_ended_once([running.job_id, waiting.job_id])
