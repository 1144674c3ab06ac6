"""The encoder worker with a real model: progress, interrupted jobs, and its memory."""

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.workers import Worker, running_worker
from tests.support.minilm import packages_with_minilm
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

LONG_JOB = 2048
"""Inputs of a job that takes two seconds or more on one core, however many others there are."""
ONE_CORE = {"TRIPTYCH_THREADS": "1"}
DRAIN_S = 0.3


@pytest.fixture
def settings() -> dict[str, str]:
    return {"TRIPTYCH_MODELS_DIR": str(packages_with_minilm()), "TRIPTYCH_MODELS": "minilm"}


@pytest.fixture
def encoder(settings: dict[str, str], valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Worker]:
    slow = {**ONE_CORE, "TRIPTYCH_DRAIN_S": str(DRAIN_S)}
    with running_worker("encoder", valkey_server, tmp_path / "worker.log", **settings, **slow) as encoder:
        yield encoder


def texts(num_texts: int, seed: int, max_words: int = 30) -> list[str]:
    """Return texts of mixed length out of a small vocabulary."""
    chance = random.Random(seed)
    vocabulary = ["time", "year", "people", "way", "day", "thing", "life", "child", "world", "school", "state", "group"]
    return [" ".join(chance.choices(vocabulary, k=chance.randint(1, max_words))) for _ in range(num_texts)]


def progress_of(encoder: Worker, job_id: str) -> list[int]:
    events = encoder.store.events(job_id, "0")
    return [int(event.fields["done"]) for event in events if event.name == "progress"]


def test_a_long_job_reports_progress_and_a_short_one_does_not_wait_for_it(encoder: Worker) -> None:
    job_id = encoder.submit("minilm", texts(LONG_JOB, seed=1), followed=True)
    wait_until(lambda: progress_of(encoder, job_id), "no progress was recorded")
    short = encoder.ended(encoder.submit("minilm", "a short one"))
    job = encoder.ended(job_id)
    assert short.status == "succeeded" and short.completed_at is not None and job.completed_at is not None
    assert short.completed_at < job.completed_at, "the short job must end before the long one"
    progress = progress_of(encoder, job_id)
    assert progress == sorted(set(progress)) and progress[0] > 0 and progress[-1] <= LONG_JOB and len(progress) > 1
    assert (job.status, job.progress_done, job.progress_total) == ("succeeded", LONG_JOB, LONG_JOB)
    assert len(json.loads(job.output or b"")) == LONG_JOB


def test_on_sigterm_a_job_that_outlasts_the_drain_is_released_without_a_crash(
    encoder: Worker, settings: dict[str, str], valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    job_id = encoder.submit("minilm", texts(LONG_JOB, seed=2), followed=True)
    wait_until(lambda: progress_of(encoder, job_id), "no progress was recorded")
    assert encoder.terminate() == 0, encoder.log()
    job = encoder.job(job_id)
    assert (job.status, job.attempt, job.crashes) == ("queued", 1, 0)

    def message_is_back() -> bool:
        # Before it ends, the worker may have taken its own message again. Then the reaper pushes another one.
        encoder.store.reap()
        return encoder.client.llen("triptych.minilm") + encoder.client.llen("triptych.minilm:new") >= 1

    wait_until(message_is_back, "the job has no message")
    with running_worker("encoder", valkey_server, tmp_path / "second.log", **settings) as second:
        job = second.ended(job_id)
        names = [event.name for event in second.store.events(job_id, "0") if event.name != "progress"]
    assert (job.status, job.attempt) == ("succeeded", 2)
    assert names == ["queued", "started", "queued", "started", "succeeded"]


def test_on_sigterm_a_suspect_is_finished_without_a_crash(
    settings: dict[str, str], valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    """Were it not waited for, its end would be the second crash that it is blamed for."""
    with running_worker("encoder", valkey_server, tmp_path / "first.log", **settings) as first:
        assert first.terminate() == 0
        job_id = first.submit("minilm", texts(LONG_JOB // 2, seed=5), followed=True)
        claim = first.store.claim(job_id, "a worker that dies")
        assert claim is not None
        first.client.hset(f"triptych:job:{job_id}", "group", job_id)
        first.store.release([claim])
    slow = {**ONE_CORE, "TRIPTYCH_DRAIN_S": str(PATIENCE_S)}
    with running_worker("encoder", valkey_server, tmp_path / "second.log", **settings, **slow) as encoder:
        wait_until(lambda: progress_of(encoder, job_id), "no progress was recorded")
        assert encoder.terminate() == 0, encoder.log()
        job = encoder.job(job_id)
        assert (job.status, job.crashes, job.attempt) == ("succeeded", 0, 2)


def test_a_cancelled_job_stops_early(encoder: Worker) -> None:
    """The lease is 15 s, so the next of the heartbeats every 5 s informs the worker, which drops the remaining rows."""
    job_id = encoder.submit("minilm", texts(LONG_JOB, seed=3), followed=True)
    wait_until(lambda: progress_of(encoder, job_id), "no progress was recorded")
    encoder.store.cancel(job_id, encoder.job(job_id).tenant)
    job = encoder.ended(job_id)
    assert job.status == "cancelled" and job.progress_done < LONG_JOB


def test_memory_stays_within_160_mb_and_1_3_times_the_graph(settings: dict[str, str], tmp_path: Path) -> None:
    graph_mb = (Path(settings["TRIPTYCH_MODELS_DIR"]) / "minilm" / "model.onnx").stat().st_size / 1e6
    max_mb = 160 + 1.3 * graph_mb
    chance = random.Random(4)
    with (
        running_valkey(tmp_path / "valkey") as server,
        running_worker("encoder", server, tmp_path / "worker.log", **settings) as encoder,
    ):
        start_mb = encoder.memory_mb()
        ids = []
        for number in range(200):
            num_texts = 60 if number % 100 == 50 else chance.choice([1, 1, 1, 1, 3])
            max_words = 400 if number % 10 == 0 else 30
            parameters: dict[str, Any] = {"truncate": "right"}
            ids.append(encoder.submit("minilm", texts(num_texts, seed=number, max_words=max_words), parameters))
        assert {encoder.ended(job_id).status for job_id in ids} == {"succeeded"}
        end_mb = encoder.memory_mb()
        encoder.process.send_signal(signal.SIGTERM)
    print(f"graph {graph_mb:.0f} MB; resident {start_mb:.0f} MB at start, {end_mb:.0f} MB after; limit {max_mb:.0f}")
    assert end_mb <= max_mb
