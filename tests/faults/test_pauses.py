"""Bulk texts that give their slots to somebody who waits, in a real worker, and end as if nothing was."""

import httpx

from tests.faults.faulty_decoder import MODEL
from tests.faults.generating_fleet import GeneratingFleet
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE_S, wait_until

NUM_SLOTS = 16
"""Of a model, by default."""
SLOW = "fault:slow=0.05 number"
LONG = {"do_sample": False, "max_new_tokens": 100}


def submit_bulk(gateway: GatewayProcess) -> list[str]:
    """Take all slots for some seconds; return the ids of the jobs."""
    bodies = [
        {"model": MODEL, "inputs": f"{SLOW} {number}", "parameters": LONG, "priority": "bulk"}
        for number in range(NUM_SLOTS)
    ]
    headers = {"Prefer": "respond-async"}
    return [httpx.post(f"{gateway.url}/v1/generate", json=body, headers=headers).json()["id"] for body in bodies]


def texts_of_all(fleet: GeneratingFleet, job_ids: list[str]) -> list[list[str]]:
    """Return the texts of jobs once all have ended."""
    wait_until(lambda: fleet.num_ended(job_ids) == len(job_ids), "bulk does not end")
    return [fleet.texts(job_id) for job_id in job_ids]


def test_a_text_that_was_paused_in_a_worker_is_what_it_would_have_been(generating_fleet: GeneratingFleet) -> None:
    gateway, _ = generating_fleet.start()
    expected = texts_of_all(generating_fleet, submit_bulk(gateway))
    ids = submit_bulk(gateway)
    wait_until(lambda: all(generating_fleet.job(job_id).status == "running" for job_id in ids), "bulk does not run")
    body = {"model": MODEL, "inputs": "short", "parameters": {"max_new_tokens": 3}}
    assert httpx.post(f"{gateway.url}/v1/generate", json=body, timeout=PATIENCE_S).status_code == 200
    assert generating_fleet.num_ended(ids) == 0, "it must not have waited for the end of a text"
    assert texts_of_all(generating_fleet, ids) == expected
