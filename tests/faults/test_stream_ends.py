"""Cancelled and expired jobs leave the batch within about a decode step."""

from itertools import pairwise
from statistics import median
from typing import Any

import httpx
import pytest

from tests.faults.generating_fleet import GeneratingFleet
from tests.faults.stream_clients import EventFollower
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

MAX_STEPS = 8
"""The most steps until a cancel or a deadline takes effect. A text has 120, and a busy machine needs room."""
STEP_S = 0.1
MAX_ROWS = 16
MIN_OUTPUTS = 4


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
    # On a busy machine one event has the deltas of many steps, and the length of a step is measured between events.
    wait_until(
        lambda: len(running.texts_of_attempt(1)) == MAX_ROWS and running.num_outputs >= MIN_OUTPUTS,
        "the job does not run",
    )
    waiting = follow(gateway, 1)
    wait_until(lambda: waiting.attempts == [1], "the second job was not claimed")
    return running, waiting


def output_times(fleet: GeneratingFleet, job: EventFollower) -> list[float]:
    """Return when the events with deltas of a job were published, in seconds of the store's clock."""
    events = fleet.store.events(job.job_id, "0")
    return [int(event.id.partition("-")[0]) / 1000 for event in events if event.name == "output"]


def steps_until_its_slots_are_free(
    fleet: GeneratingFleet, running: EventFollower, waiting: EventFollower, since: float
) -> float:
    """Return how long after a time the waiting job got a slot, in decode steps of the running job."""
    freed_at = wait_until(lambda: output_times(fleet, waiting), "no slot became free")[0]
    # Events are published a little late, some later than others, but no step is shorter than its delay.
    step_s = max(STEP_S, median(after - before for before, after in pairwise(output_times(fleet, running))))
    return (freed_at - since) / step_s


def cancel(gateway: GatewayProcess, follower: EventFollower) -> None:
    answer = httpx.post(f"{gateway.url}/v1/jobs/{follower.job_id}/cancel", timeout=PATIENCE_S)
    assert answer.status_code in {200, 202}


def test_a_cancel_takes_effect_within_about_a_step(full: tuple[GeneratingFleet, GatewayProcess]) -> None:
    fleet, gateway = full
    running, waiting = running_and_waiting(gateway)
    assert not waiting.texts_of_attempt(1), "the running job must have all slots"
    cancelled_at = fleet.now()
    cancel(gateway, running)
    assert 0 <= steps_until_its_slots_are_free(fleet, running, waiting, cancelled_at) <= MAX_STEPS
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
    deadline_at = fleet.job(running.job_id).deadline_at
    assert 0 <= steps_until_its_slots_are_free(fleet, running, waiting, deadline_at) <= MAX_STEPS
    running.end()
    assert fleet.job(running.job_id).status == running.events[-1]["event"] == "expired"
    cancel(gateway, waiting)
    fleet.assert_each_ended_once([running.job_id, waiting.job_id])
