"""Many large jobs at once on a worker with little memory: all are answered within it, and small ones do not wait."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.workers import Worker, running_worker
from tests.support.tiny_package import WORDS, write_package
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

MAX_MEMORY_MIB = 640
JOBS_MB = (MAX_MEMORY_MIB - 128) / 4 * 1.048576
"""What the jobs in hand may take: a quarter of what the worker itself leaves."""
NOISE_MB = 64
"""64 threads with their stacks, and what the allocators of Python and of the C library keep."""
NUM_JOBS = 70
SIZE = 256


@pytest.fixture
def worker(server: ValkeyServer, tmp_path: Path) -> Iterator[Worker]:
    """A worker with the default number of threads, and an embedder of 256 dimensions."""
    write_package(tmp_path / "packages" / "tiny", size=SIZE, max_tokens=512)
    settings = {"TRIPTYCH_MODELS_DIR": str(tmp_path / "packages"), "TRIPTYCH_MAX_MEMORY": str(MAX_MEMORY_MIB)}
    with running_worker("encoder", server, tmp_path / "worker.log", **settings) as worker:
        yield worker


def text_of(num_bytes: int) -> str:
    words = " ".join(WORDS[4:])
    return (words * (num_bytes // len(words) + 1))[:num_bytes]


@pytest.mark.parametrize(
    ("inputs", "parameters"),
    [([text_of(800)] * 1000, {}), (text_of(800_000), {"truncate": "right"})],
    ids=["many texts", "one text"],
)
def test_memory_is_bounded_by_what_may_be_in_hand(worker: Worker, inputs: object, parameters: dict[str, str]) -> None:
    """70 jobs of 0.8 MB took 1.6 GB and more, and small ones waited until threads were free."""
    before_mb = worker.memory_mb()
    large = [worker.submit("tiny", inputs, parameters) for _ in range(NUM_JOBS)]
    wait_until(lambda: worker.job(large[0]).started_at, "the worker takes no jobs")
    small = worker.ended(worker.submit("tiny", "w1"))
    ended = [worker.ended(job_id) for job_id in large]
    assert {job.status for job in (small, *ended)} == {"succeeded"}
    assert {(job.attempt, job.crashes) for job in ended} == {(1, 0)}
    assert len({job.output for job in ended}) == 1
    assert worker.peak_mb() - before_mb < JOBS_MB + NOISE_MB
    assert sum((job.completed_at or 0) > (small.completed_at or 0) for job in ended) > 0, "the small job came last"


def test_a_job_larger_than_all_that_jobs_may_take_runs_by_itself(worker: Worker) -> None:
    vectors = worker.answer("tiny", [text_of(3000)] * 2048, {"truncate": "right"})
    assert len(vectors) == 2048 and len(vectors[0]) == SIZE
    assert json.dumps(vectors[0]) == json.dumps(vectors[-1])
