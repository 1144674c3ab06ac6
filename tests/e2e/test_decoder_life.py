"""Jobs of a decoder worker that are interrupted: cancel, deadline, timeout, drain, a killed worker, a new version."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from contracts.figures import GenerationFigures
from contracts.jobs import Job
from contracts.store.keys import PREFIX
from contracts.store.registry import Registry
from tests.e2e.workers import TENANT, Worker, running_worker
from tests.support.paths import STARTERS
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.versions import put_version
from tests.support.waiting import PATIENCE_S, wait_until

MODEL = "starter-generate"
SETTINGS = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL, "TRIPTYCH_THREADS": "1"}
HEARTBEAT_S = 2.0
MAX_STEPS = 30
"""The most decode steps until a job has ended. The interrupted jobs would take thousands."""
LONG: dict[str, Any] = {"do_sample": True, "temperature": 3.0, "top_k": 0, "max_new_tokens": 100, "n": 16}
LONG_INPUTS = ["Poem: the silver moon\n"] * 400


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests that leave it idle."""
    folder, lease = tmp_path_factory.mktemp("decoder"), {"TRIPTYCH_LEASE_S": str(3 * HEARTBEAT_S)}
    with (
        running_valkey(folder / "valkey") as server,
        running_worker("decoder", server, folder / "worker.log", **SETTINGS, **lease) as decoder,
    ):
        yield decoder


def start_long_job(decoder: Worker) -> str:
    """Submit a long job and return its id when it publishes deltas."""
    job_id = decoder.submit(MODEL, LONG_INPUTS, LONG, task="generate", stream=True)
    wait_until(lambda: num_outputs(decoder, job_id) > 5, "the job publishes no deltas")
    return job_id


def num_outputs(decoder: Worker, job_id: str) -> int:
    """Return how many events with deltas the job has."""
    return len(output_times(decoder, job_id))


def output_times(decoder: Worker, job_id: str) -> list[float]:
    """Return when these events were published, in seconds of the store's clock."""
    events = decoder.store.events(job_id, "0")
    return [int(event.id.partition("-")[0]) / 1000 for event in events if event.name == "output"]


def assert_ended_soon(decoder: Worker, job: Job, since: float, most_s: float = HEARTBEAT_S / 2) -> None:
    """Assert that a job ended within ``most_s`` and a few decode steps of this machine: before the next heartbeat."""
    step_s = median(after - before for before, after in pairwise(output_times(decoder, job.id)))
    assert job.completed_at is not None
    assert 0 <= job.completed_at - since < most_s + MAX_STEPS * step_s


def figures(decoder: Worker) -> GenerationFigures:
    (worker,) = wait_until(Registry(decoder.client).workers, "the worker has no heartbeat")
    assert worker.generation is not None
    return worker.generation


def wait_for_heartbeat(decoder: Worker) -> None:
    """Wait for the next heartbeat, which prolongs the life of the worker's card."""
    (worker,) = wait_until(Registry(decoder.client).workers, "the worker has no heartbeat")
    left_ms = [decoder.client.pttl(f"{PREFIX}worker:{worker.id}")]

    def prolonged() -> bool:
        left_ms.append(decoder.client.pttl(f"{PREFIX}worker:{worker.id}"))
        return left_ms[-1] > left_ms[-2]

    wait_until(prolonged, "no heartbeat came")


def assert_idle(decoder: Worker) -> None:
    """Wait for a heartbeat without running or waiting sequences and with an empty cache."""
    # What the last one says may be older than the job. The second from now was made after the first from now.
    for _ in range(2):
        wait_for_heartbeat(decoder)

    def idle() -> bool:
        now = figures(decoder)
        return (now.rows_running, now.rows_waiting, now.cache_tokens) == (0, 0, 0)

    wait_until(idle, f"sequences were left: {figures(decoder)}")
    assert figures(decoder).cache_max_tokens > 0


def test_a_cancelled_job_ends_within_a_few_steps(decoder: Worker) -> None:
    job_id = start_long_job(decoder)
    cancelled_at = decoder.now()
    decoder.store.cancel(job_id, TENANT)
    job = decoder.ended(job_id)
    assert job.status == "cancelled"
    assert_ended_soon(decoder, job, cancelled_at)
    assert decoder.answer(MODEL, "The", {"max_new_tokens": 2}, "generate")
    num_before = num_outputs(decoder, job_id)
    assert_idle(decoder)
    assert num_outputs(decoder, job_id) == num_before, "the cancelled job must publish no more deltas"


def test_a_deadline_ends_a_running_job_and_then_its_sequences(decoder: Worker) -> None:
    """The reaper ends the job, and the reply to the next deltas stops its attempt."""
    job_id = start_long_job(decoder)
    now = decoder.now()
    decoder.client.hset(f"{PREFIX}job:{job_id}", "deadline_at", now)
    decoder.client.zadd(f"{PREFIX}due", {job_id: now})
    job = decoder.ended(job_id)
    assert job.status == "expired"
    assert_ended_soon(decoder, job, job.deadline_at, 2.0)
    assert_idle(decoder)


def test_a_cancelled_job_that_is_not_streamed_ends_before_the_next_heartbeat(decoder: Worker) -> None:
    job_id = decoder.submit(MODEL, LONG_INPUTS, LONG, task="generate")
    wait_until(lambda: decoder.job(job_id).status == "running", "the job does not run")
    cancelled_at = decoder.now()
    decoder.store.cancel(job_id, TENANT)
    job = decoder.ended(job_id)
    assert job.status == "cancelled" and job.completed_at is not None
    assert job.completed_at - cancelled_at < HEARTBEAT_S
    assert_idle(decoder)


def test_a_timeout_ends_an_attempt(decoder: Worker) -> None:
    job = decoder.ended(decoder.submit(MODEL, LONG_INPUTS, LONG, task="generate", stream=True, timeout_s=1.0))
    assert job.status == "failed" and job.error is not None and job.error.code == "execution_timeout"
    assert_idle(decoder)


def test_tokens_and_times_are_reported(decoder: Worker) -> None:
    assert_idle(decoder)
    before = figures(decoder)
    job = decoder.ended(decoder.submit(MODEL, ["The", "A"], {"max_new_tokens": 10, "n": 3}, task="generate"))
    usage = json.loads(job.usage or b"")

    def gained() -> tuple[int, int, int, int]:
        now = figures(decoder)
        gaps = sum(now.token_gap.counts) - sum(before.token_gap.counts)
        firsts = sum(now.first_token.counts) - sum(before.first_token.counts)
        return now.tokens_in - before.tokens_in, now.tokens_out - before.tokens_out, firsts, gaps

    # Each text has a prefill of its prompt. A heartbeat may come between the count of a token and that of its gap.
    expected = (3 * usage["tokens_in"], usage["tokens_out"], 1, usage["tokens_out"] - 6)
    wait_until(lambda: gained() == expected, f"the figures are not {expected}")
    assert_idle(decoder)
    assert gained() == expected


def test_bulk_texts_give_way_to_interactive_ones_and_stay_the_same(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    parameters = {**LONG, "n": 8, "seed": 5}
    with running_worker("decoder", valkey_server, tmp_path / "log", **SETTINGS, TRIPTYCH_MAX_ROWS="2") as decoder:
        bulk = decoder.submit(MODEL, LONG_INPUTS[:20], parameters, task="generate", lane="bulk")
        wait_until(lambda: decoder.job(bulk).progress_done, "the bulk job does not run")
        for _ in range(3):
            assert decoder.answer(MODEL, "The", {"max_new_tokens": 3}, "generate", lane="interactive")
        assert decoder.job(bulk).status == "running"
        wait_until(lambda: figures(decoder).pauses, "no text was paused")
        texts = json.loads(decoder.ended(bulk).output or b"")
        assert texts == decoder.answer(MODEL, LONG_INPUTS[:20], parameters, "generate")


def test_on_sigterm_unfinished_jobs_are_released_and_another_worker_generates_the_same_texts(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    parameters = {"do_sample": True, "temperature": 1.5, "max_new_tokens": 50, "details": True}
    with running_worker("decoder", valkey_server, tmp_path / "one.log", **SETTINGS, TRIPTYCH_DRAIN_S="0.3") as first:
        long = start_long_job(first)
        short = first.submit(MODEL, "The", {**parameters, "n": 16}, task="generate", stream=True)
        assert first.terminate() == 0, first.log()
        job = first.job(long)
        assert (job.status, job.crashes) == ("queued", 0), (job, first.log())
        first.store.cancel(long, TENANT)
    with running_worker("decoder", valkey_server, tmp_path / "two.log", **SETTINGS) as second:
        job = second.ended(short)
        assert (job.status, job.crashes) == ("succeeded", 0)
        answer = json.loads(job.output or b"")
        seed = answer["details"]["seed"]
        again = second.answer(MODEL, "The", {**parameters, "n": 16, "seed": seed}, "generate")
        texts = [each["generated_text"] for each in answer["sequences"]]
        assert sorted(texts) == sorted(each["generated_text"] for each in again["sequences"])


def test_a_killed_worker_has_streamed_the_beginning_of_what_the_next_one_generates(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    """The job sets no seed, and its second attempt runs isolated. Neither may change its texts."""
    with running_worker("decoder", valkey_server, tmp_path / "one.log", **SETTINGS) as first:
        job_id = first.submit(MODEL, LONG_INPUTS[:6], LONG, task="generate", stream=True)
        wait_until(lambda: num_outputs(first, job_id) > 1, "the job publishes no deltas")
        first.process.kill()
        first.process.wait(PATIENCE_S)
    with running_worker("decoder", valkey_server, tmp_path / "two.log", **SETTINGS) as second:
        job = second.ended(job_id)
        assert (job.status, job.attempt, job.crashes) == ("succeeded", 2, 1)
        answers = json.loads(job.output or b"")
        texts = {(i, s): each["generated_text"] for i, a in enumerate(answers) for s, each in enumerate(a["sequences"])}
        for attempt in ("1", "2"):
            streamed = dict.fromkeys(texts, "")
            for event in second.store.events(job_id, "0"):
                if event.name == "output" and event.fields["attempt"] == attempt:
                    for delta in json.loads(event.fields["pieces"]):
                        streamed[delta.get("input", 0), delta.get("sequence", 0)] += delta.get("text", "")
            assert any(streamed.values())
            assert all(texts[key].startswith(text) for key, text in streamed.items()), f"attempt {attempt}"


def test_running_jobs_end_on_the_version_on_which_they_started(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    folder = tmp_path / "packages" / MODEL
    put_version(STARTERS / MODEL, folder, "v1")
    settings = {"TRIPTYCH_MODELS_DIR": str(folder.parent), "TRIPTYCH_RELOAD_S": "0.1", "TRIPTYCH_THREADS": "1"}
    with running_worker("decoder", valkey_server, tmp_path / "worker.log", **settings) as decoder:
        old = start_long_job(decoder)
        put_version(STARTERS / MODEL, folder, "v2")
        wait_until(lambda: "new version served" in decoder.log(), "the new version was not loaded")
        new = decoder.ended(decoder.submit(MODEL, "The", {"max_new_tokens": 3}, task="generate"))
        assert (new.status, new.model_revision) == ("succeeded", "v2")
        num_before = num_outputs(decoder, old)
        wait_until(lambda: num_outputs(decoder, old) > num_before, "the old job does not continue")
        assert decoder.job(old).status == "running" and "old version dropped" not in decoder.log()
        decoder.store.cancel(old, TENANT)
        wait_until(lambda: "old version dropped" in decoder.log(), "the old version was not dropped")
        assert decoder.terminate() == 0, decoder.log()
