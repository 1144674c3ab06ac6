"""Texts that are cancelled or expire while they are written: their rows leave within about a step."""

from itertools import pairwise
from statistics import median
from typing import Any

import httpx
import pytest

from tests.faults.stream_clients import Following
from tests.faults.writing_fleet import WritingFleet
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import longest_s, wait_until

MAX_STEPS = 8
"""Steps until an end has taken effect: a text has 120, and a busy machine has room."""
MAX_ROWS = 16


@pytest.fixture
def full(writing_fleet: WritingFleet) -> tuple[WritingFleet, GatewayProcess]:
    """A worker that has a slot for no text beside those of one job, and a gateway."""
    gateway, _ = writing_fleet.start()
    return writing_fleet, gateway


def follow(gateway: GatewayProcess, num_texts: int, **more: Any) -> Following:
    """Submit a streamed job, and follow it."""
    parameters = {"n": num_texts, "do_sample": True, "max_new_tokens": 120}
    body = {"task": "generate", "inputs": "fault:slow=0.1", "stream": True, "parameters": parameters, **more}
    job = httpx.post(f"{gateway.url}/v1/jobs", json=body).json()
    return Following(lambda: gateway.url, job["id"])


def begun(gateway: GatewayProcess, **more: Any) -> tuple[Following, Following]:
    """Return a job whose texts have all slots and are written, and one that waits for a slot."""
    running = follow(gateway, MAX_ROWS, **more)
    wait_until(lambda: len(running.told(1)) == MAX_ROWS, "the texts are not written")
    waiting = follow(gateway, 1)
    wait_until(lambda: waiting.attempts == [1], "the job behind it was not taken")
    return running, waiting


def outputs_at(fleet: WritingFleet, job: Following) -> list[float]:
    """Return when a job told tokens, by the store's clock."""
    events = fleet.store.events(job.job_id, "0")
    return [int(event.id.partition("-")[0]) / 1000 for event in events if event.name == "output"]


def steps_until_it_left(fleet: WritingFleet, running: Following, waiting: Following, since: float) -> float:
    """Return how many steps after a time the next job had a slot, each as long as it took on this machine."""
    left_at = wait_until(lambda: outputs_at(fleet, waiting), "no slot became free")[0]
    step_s = median(after - before for before, after in pairwise(outputs_at(fleet, running)))
    assert step_s >= 0.1
    return (left_at - since) / step_s


def cancel(gateway: GatewayProcess, following: Following) -> None:
    assert httpx.post(f"{gateway.url}/v1/jobs/{following.job_id}/cancel").status_code in {200, 202}


def test_a_cancel_takes_effect_within_about_a_step(full: tuple[WritingFleet, GatewayProcess]) -> None:
    fleet, gateway = full
    running, waiting = begun(gateway)
    assert not waiting.told(1), "there was a slot beside it"
    cancelled_at = fleet.now()
    cancel(gateway, running)
    assert 0 <= steps_until_it_left(fleet, running, waiting, cancelled_at) <= MAX_STEPS
    running.end()
    assert running.events[-1]["event"] == "cancelled"
    cancel(gateway, waiting)
    waiting.end()
    jobs = fleet.assert_each_ended_once([running.job_id, waiting.job_id])
    assert {(job.status, job.attempt) for job in jobs.values()} == {("cancelled", 1)}


def test_a_deadline_takes_effect_within_about_a_step(full: tuple[WritingFleet, GatewayProcess]) -> None:
    fleet, gateway = full

    def begin_and_cancel() -> None:
        for job in begun(gateway):
            cancel(gateway, job)
            job.end()

    running, waiting = begun(gateway, deadline_s=1 + 3 * longest_s(begin_and_cancel, 1))
    deadline_at = fleet.job(running.job_id).deadline_at
    assert 0 <= steps_until_it_left(fleet, running, waiting, deadline_at) <= MAX_STEPS
    running.end()
    assert fleet.job(running.job_id).status == running.events[-1]["event"] == "expired"
    cancel(gateway, waiting)
    fleet.assert_each_ended_once([running.job_id, waiting.job_id])
