"""Figure 1a: from the queue to the answer, one job a text, without HTTP: the cost of claim, batching and finish."""

import time
from collections.abc import Sequence

import msgspec
import numpy as np

from benchmarks.encoder.bare_model import TRUNCATE, BareModel
from benchmarks.encoder.throughput import Timed, against_ceiling
from benchmarks.harness.report import BenchError, Figure
from benchmarks.harness.stack import MINILM, Stack
from contracts.job_ids import new_job_id
from contracts.jobs import NewJob
from contracts.store.job_writer import Admission

TENANT = "benchmark"
TARGET = 0.85
TIMEOUT_S = 300.0
POLL_S = 0.01


def measure(stack: Stack, bare: BareModel, texts: Sequence[str], rounds: int) -> list[Figure]:
    """Return the figure."""
    compared = against_ceiling(bare, texts, rounds, lambda: _run(stack, texts), "queue")
    return [
        Figure("queue", "1a. Queue to answer, one job a text", compared.ratio, "", "at least", TARGET, compared.parts)
    ]


def _run(stack: Stack, texts: Sequence[str]) -> Timed:
    """Time from before the first job is written until the last one has its answer in its record."""
    jobs = [_job(text) for text in texts]
    admission = Admission()
    started = time.perf_counter()
    for job in jobs:
        stack.writer.submit(job, admission)
    # Polling costs one command of the store each 10 ms, far less than a notification for each job.
    while stack.queues.num_live():
        if time.perf_counter() - started > TIMEOUT_S:
            raise BenchError(f"{stack.queues.num_live()} jobs are not done after {TIMEOUT_S:g} s")
        time.sleep(POLL_S)
    elapsed_s = time.perf_counter() - started
    return Timed(elapsed_s, np.array([_answer(stack, job.id) for job in jobs], np.float32))


def _job(text: str) -> NewJob:
    return NewJob(
        id=new_job_id(TENANT, at=time.time()),
        tenant=TENANT,
        task="embed",
        model=MINILM.name,
        request=msgspec.json.encode({"inputs": text, "parameters": {"truncate": TRUNCATE}}),
        metadata=b"{}",
        num_inputs=1,
        deadline_s=900,
        timeout_s=600,
        ttl_s=600,
    )


def _answer(stack: Stack, job_id: str) -> list[float]:
    job = stack.reader.read(job_id, TENANT)
    if job.status != "succeeded" or job.output is None:
        raise BenchError(f"a job ended {job.status}: {job.error}")
    return msgspec.json.decode(job.output, type=list[float])
