"""Figures 1a and 5a: from the queue to the answer, without HTTP, one job a text: what claim, batch and finish cost."""

import time
from collections.abc import Sequence

import msgspec
import numpy as np

from benchmarks.encoder.bare_model import TRUNCATE
from benchmarks.encoder.throughput import Subject, Timed, against_ceiling
from benchmarks.harness.report import BenchError, Figure
from benchmarks.harness.stack import MINILM, Stack
from contracts.job_ids import new_job_id
from contracts.jobs import Job, NewJob
from contracts.store.queues.admission import Admission

TENANT = "benchmark"
TARGET = 0.92
TARGET_OUTSIDE = 8.0
TIMEOUT_S = 300.0


def measure(subject: Subject) -> list[Figure]:
    """Return both figures."""
    compared = against_ceiling(subject, lambda: _run(subject.stack, subject.texts), "queue")
    return [
        Figure("queue", "1a. Queue to answer, one job a text", compared.ratio, "", "at least", TARGET, compared.parts),
        compared.outside("queue-cpu", "5a. Queue to answer: CPU outside of the model calls", TARGET_OUTSIDE),
    ]


def _run(stack: Stack, texts: Sequence[str]) -> Timed:
    """Time from before the first job is written until the last one has its answer in its record."""
    jobs = [new_job(MINILM.name, text) for text in texts]
    # With polls each 10 ms there would be more of them than texts, and they would count as the system's work.
    elapsed_s = submit_and_wait(stack, jobs, poll_s=0.05)
    outputs = [answered(stack, job.id).output or b"" for job in jobs]
    return Timed(elapsed_s, np.array([msgspec.json.decode(output, type=list[float]) for output in outputs], np.float32))


def submit_and_wait(stack: Stack, jobs: Sequence[NewJob], poll_s: float) -> float:
    """Submit jobs to a store without any others; return the seconds until a poll finds that all have ended."""
    admission = Admission()
    started = time.perf_counter()
    for job in jobs:
        stack.writer.submit(job, admission)
    while num_live := stack.queues.num_live():
        if time.perf_counter() - started > TIMEOUT_S:
            raise BenchError(f"{num_live} jobs are not done after {TIMEOUT_S:g} s")
        time.sleep(poll_s)
    return time.perf_counter() - started


def new_job(model: str, text: str) -> NewJob:
    """Return a job that embeds a text."""
    return NewJob(
        id=new_job_id(TENANT, at=time.time()),
        tenant=TENANT,
        task="embed",
        model=model,
        request=msgspec.json.encode({"inputs": text, "parameters": {"truncate": TRUNCATE}}),
        metadata=b"{}",
        num_inputs=1,
        deadline_s=900,
        timeout_s=600,
        ttl_s=600,
    )


def answered(stack: Stack, job_id: str) -> Job:
    """Return a job that has succeeded."""
    job = stack.reader.read(job_id, TENANT)
    if job.status != "succeeded":
        raise BenchError(f"a job ended {job.status}: {job.error}")
    return job
