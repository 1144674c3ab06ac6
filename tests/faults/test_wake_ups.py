"""A message says that a queue has work. Full workers leave it to idle ones, and no number of messages does harm."""

import json
from itertools import pairwise

import pytest

from contracts.jobs import queue_of
from contracts.store.message import MESSAGE_TEMPLATE
from tests.faults.fleet import Fleet
from tests.support.waiting import longest_s, wait_until

NUM_JOBS = 30
NUM_MESSAGES = 20_000
ONE_JOB = {"TRIPTYCH_CONCURRENCY": "1"}


def wait_ended(fleet: Fleet, job_id: str) -> None:
    wait_until(lambda: fleet.job(job_id).finished, "a job waits although a worker is idle")


def test_a_full_worker_keeps_no_message_from_an_idle_one(fleet: Fleet) -> None:
    """It may have asked for the next message before it became full, and so get that one; the reaper pushes another."""
    full = fleet.start_worker(**ONE_JOB)
    hanging = fleet.submit_hanging()
    assert fleet.worker_of(hanging) is full
    idle = fleet.start_worker(**ONE_JOB)
    for number in range(NUM_JOBS):
        job_id = fleet.submit(str(number))
        wait_ended(fleet, job_id)
        assert fleet.worker_of(job_id) is idle
    fleet.release_hang()
    wait_ended(fleet, hanging)


def test_a_worker_that_was_full_takes_the_next_job_at_once(fleet: Fleet) -> None:
    """Its last question for a message is still out, or it has not asked: in both cases nobody needs to wake it."""
    fleet.start_worker(**ONE_JOB)
    usual_s = fleet.round_trip_s()
    hanging = fleet.submit_hanging()
    waiting = [fleet.submit(str(number)) for number in range(NUM_JOBS)]
    fleet.release_hang()
    for job_id in (hanging, *waiting):
        wait_ended(fleet, job_id)
    starts = sorted(fleet.job(job_id).started_at or 0 for job_id in waiting)
    released_at = fleet.job(hanging).completed_at or 0
    longest = max(start - before for before, start in pairwise([released_at, *starts]))
    # A lost message would have cost a pass of the reaper, which comes each second.
    assert longest <= max(0.5, 5 * usual_s), f"{longest} s, usually {usual_s} s"


@pytest.mark.parametrize(
    "message",
    [
        b"garbage",
        MESSAGE_TEMPLATE.replace("@QUEUE@", queue_of(Fleet.model)).replace("@TAG@", "t").encode(),
        json.dumps({**json.loads(MESSAGE_TEMPLATE), "body": json.dumps([["x" * 22], {}, {}])}).encode(),
    ],
    ids=["garbage", "of this version", "of an older version"],
)
def test_a_flood_of_messages_is_gone_with_the_next_job(fleet: Fleet, message: bytes) -> None:
    worker = fleet.start_worker()
    queue = queue_of(fleet.model)
    usual_s = fleet.round_trip_s()
    fleet.client.lpush(queue, *[message] * NUM_MESSAGES)
    flooded_s = longest_s(lambda: wait_ended(fleet, fleet.submit("flooded")), num_calls=1)
    wait_until(lambda: fleet.client.llen(queue) <= 1, "the messages are still there")
    assert flooded_s <= max(2.0, 5 * usual_s) and worker.alive(), f"{flooded_s} s, usually {usual_s} s"


def test_however_many_jobs_wait_one_message_is_out(fleet: Fleet) -> None:
    ids = [fleet.submit(str(number)) for number in range(1000)]
    assert fleet.client.llen(queue_of(fleet.model)) == 1
    fleet.start_workers(2)
    seen = 0
    while fleet.store.depth(fleet.model)[0]:
        seen = max(seen, fleet.client.llen(queue_of(fleet.model)))
    for job_id in ids:
        wait_ended(fleet, job_id)
    assert seen <= 1
