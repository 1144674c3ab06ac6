"""Cancelled and expired jobs leave the batch within about a decode step."""

from typing import Any

import httpx
import pytest

from tests.faults.generating_fleet import GeneratingFleet
from tests.faults.stream_clients import EventFollower
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

MAX_STEPS = 8
"""The most steps until a cancel or the end of a job takes effect. A text has 120, and a busy machine needs room."""
STEP_S = 0.1
MAX_ROWS = 16


@pytest.fixture
def full(generating_fleet: GeneratingFleet) -> tuple[GeneratingFleet, GatewayProcess]:
    """A worker whose slots are all taken by one job, and a gateway."""
    gateway, _ = generating_fleet.start()
    return generating_fleet, gateway


def follow(gateway: GatewayProcess, num_texts: int, **more: Any) -> EventFollower:
    """Submit a streamed job and follow its events."""
    parameters = {"n": num_texts, "do_sample": True, "max_new_tokens": 120}
    body = {"task": "generate", "inputs": f"fault:slow={STEP_S}", "stream": True, "parameters": parameters, **more}
    job = httpx.post(f"{gateway.url}/v1/jobs", json=body, timeout=PATIENCE_S).json()
    return EventFollower(lambda: gateway.url, job["id"])


def running_and_waiting(gateway: GatewayProcess, **more: Any) -> tuple[EventFollower, EventFollower]:
    """Return a running job that has all slots, and one that waits for a slot."""
    running = follow(gateway, MAX_ROWS, **more)
    wait_until(lambda: len(running.texts_of_attempt(1)) == MAX_ROWS, "the job does not run")
    waiting = follow(gateway, 1)
    wait_until(lambda: waiting.attempts == [1], "the second job was not claimed")
    return running, waiting


def steps_until_its_slots_are_free(fleet: GeneratingFleet, waiting: EventFollower, since: float) -> int:
    """Return how many steps of the running job began after a time, until the waiting job had a slot.

    The worker and the store share the clock of this machine. Steps are counted, because a busy machine makes them late.
    """
    wait_until(lambda: waiting.texts_of_attempt(1), "no slot became free")
    return sum(began_at > since and num_texts == MAX_ROWS for began_at, num_texts in fleet.slow_steps())


def cancel(gateway: GatewayProcess, follower: EventFollower) -> None:
    answer = httpx.post(f"{gateway.url}/v1/jobs/{follower.job_id}/cancel", timeout=PATIENCE_S)
    assert answer.status_code in {200, 202}


def test_a_cancel_takes_effect_within_about_a_step(full: tuple[GeneratingFleet, GatewayProcess]) -> None:
    fleet, gateway = full
    running, waiting = running_and_waiting(gateway)
    assert not waiting.texts_of_attempt(1), "the running job must have all slots"
    cancel(gateway, running)
    assert steps_until_its_slots_are_free(fleet, waiting, fleet.now()) <= MAX_STEPS
    running.end()
    assert running.events[-1]["event"] == "cancelled"
    cancel(gateway, waiting)
    waiting.end()
    jobs = fleet.assert_each_ended_once([running.job_id, waiting.job_id])
    assert {(job.status, job.attempt) for job in jobs.values()} == {("cancelled", 1)}


def test_a_deadline_takes_effect_within_about_a_step(full: tuple[GeneratingFleet, GatewayProcess]) -> None:
    fleet, gateway = full

    def begin_and_cancel() -> None:
        for job in running_and_waiting(gateway):
            cancel(gateway, job)
            job.end()

    running, waiting = running_and_waiting(gateway, deadline_s=1 + 3 * longest_s(begin_and_cancel, 1))
    running.end()
    # Reapers look once a second, which is many steps, so those count that the worker makes for a job that has ended.
    job = fleet.job(running.job_id)
    assert job.status == running.events[-1]["event"] == "expired"
    assert job.completed_at >= job.deadline_at
    assert steps_until_its_slots_are_free(fleet, waiting, job.completed_at) <= MAX_STEPS
    cancel(gateway, waiting)
    fleet.assert_each_ended_once([running.job_id, waiting.job_id])
