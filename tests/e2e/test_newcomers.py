"""A worker that one tenant has filled takes another one's job at once, and does not ask for jobs in between."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.job_ids import new_job_id
from contracts.jobs import NewJob
from contracts.store.queues.admission import Admission
from tests.e2e.workers import Worker, running_worker
from tests.support.paths import STARTERS
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

MODEL = "starter-generate"
NUM_BOMBS, INPUTS_OF_A_BOMB = 24, 512
HOURS_OF_WORK = {"max_new_tokens": 200, "n": 16, "do_sample": True, "frequency_penalty": -2.0}
SCRIPTS_A_SECOND = 100
"""Leases, progress, and a pass of the reaper; and the turns of the few jobs that begin. A busy loop makes thousands."""


@pytest.fixture(scope="module")
def full(server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that has as many jobs of tenant ``a`` as it takes, and whose store has more of them."""
    log = tmp_path_factory.mktemp("log") / "worker.log"
    settings = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL, "TRIPTYCH_CONCURRENCY": "16"}
    with running_worker("decoder", server, log, **settings, TRIPTYCH_THREADS="1") as worker:
        for _ in range(NUM_BOMBS):
            submit(worker, "a", ["x:"] * INPUTS_OF_A_BOMB, HOURS_OF_WORK)
        wait_until(lambda: worker.store.depth(MODEL)[0] <= NUM_BOMBS - 8, "the worker takes nothing")
        yield worker


def submit(worker: Worker, tenant: str, inputs: list[str], parameters: dict[str, Any]) -> str:
    job = NewJob(
        id=new_job_id(tenant, at=worker.now()),
        tenant=tenant,
        task="generate",
        model=MODEL,
        request=json.dumps({"inputs": inputs, "parameters": parameters}).encode(),
        metadata=b"{}",
        num_inputs=len(inputs),
        deadline_s=3600,
        timeout_s=3600,
        ttl_s=3600,
        price_s=len(inputs) / 10,
    )
    return worker.store.submit(job, Admission()).job_id


def seconds_of_three_tokens(worker: Worker) -> float:
    job_id = submit(worker, "b", ["The"], {"max_new_tokens": 3})
    wait_until(lambda: worker.store.read(job_id, "b").finished, "the job waits behind the bombs")
    job = worker.store.read(job_id, "b")
    assert job.status == "succeeded", job.error
    return (job.completed_at or 0) - job.created_at


def num_scripts(worker: Worker) -> int:
    return int(worker.client.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_a_full_worker_answers_others_at_once(full: Worker) -> None:
    longest_s = max(seconds_of_three_tokens(full) for _ in range(5))
    assert full.store.depth(MODEL)[0] > 0, "the worker was not full"
    # A reaper that pushes the message again takes a second, and the first bomb a minute or more.
    assert longest_s < 5


def test_a_full_worker_does_not_ask_again_and_again(full: Worker) -> None:
    fewest = float("inf")
    for _ in range(3):
        before, began = num_scripts(full), time.monotonic()
        threading.Event().wait(1.0)
        fewest = min(fewest, (num_scripts(full) - before) / (time.monotonic() - began))
    assert fewest < SCRIPTS_A_SECOND
