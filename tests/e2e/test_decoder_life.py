"""How jobs of a decoder worker end before their time, and go on elsewhere: cancel, deadlines, drain, new versions."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from contracts.figures import GenerationFigures
from contracts.jobs import Job
from contracts.store.registry import Registry
from tests.e2e.workers import TENANT, Worker, running_worker
from tests.support.paths import STARTERS
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.versions import put_version
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

MODEL = "starter-generate"
SETTINGS = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL, "TRIPTYCH_THREADS": "1"}
BEAT_S = 1.0
MAX_STEPS = 30
"""Steps until an end has taken effect. The jobs that are ended would take thousands."""
LONG: dict[str, Any] = {"do_sample": True, "temperature": 3.0, "top_k": 0, "max_new_tokens": 100, "n": 16}
LONG_INPUTS = ["Poem: the silver moon\n"] * 400


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker for the tests that leave it idle."""
    folder, lease = tmp_path_factory.mktemp("decoder"), {"TRIPTYCH_LEASE_S": str(3 * BEAT_S)}
    with (
        running_valkey(folder / "valkey") as server,
        running_worker("decoder", server, folder / "worker.log", **SETTINGS, **lease) as decoder,
    ):
        yield decoder


def begun(decoder: Worker, **more: Any) -> str:
    """Submit a long job and return its id once it writes."""
    job_id = decoder.submit(MODEL, LONG_INPUTS, LONG, task="generate", stream=True, **more)
    wait_until(lambda: told(decoder, job_id) > 5, "the job does not write")
    return job_id


def begin_and_cancel(decoder: Worker) -> None:
    job_id = begun(decoder)
    decoder.store.cancel(job_id, TENANT)
    decoder.ended(job_id)


def told(decoder: Worker, job_id: str) -> int:
    """Return how many events have told of the job's texts."""
    return len(told_at(decoder, job_id))


def told_at(decoder: Worker, job_id: str) -> list[float]:
    """Return when these events came, by the store's clock."""
    events = decoder.store.events(job_id, "0")
    return [int(event.id.partition("-")[0]) / 1000 for event in events if event.name == "output"]


def assert_ended_soon(decoder: Worker, job: Job, since: float) -> None:
    """Assert that a job ended before the worker's next beat, and within a few steps, as long as they take here."""
    step_s = median(after - before for before, after in pairwise(told_at(decoder, job.id)))
    assert job.completed_at is not None
    assert 0 <= job.completed_at - since < BEAT_S / 2 + MAX_STEPS * step_s


def figures(decoder: Worker) -> GenerationFigures:
    (worker,) = Registry(decoder.client).workers()
    assert worker.generation is not None
    return worker.generation


def assert_idle(decoder: Worker) -> None:
    """Wait for a heartbeat that tells of no rows, and of an empty cache."""

    def idle() -> bool:
        now = figures(decoder)
        return (now.rows_running, now.rows_waiting, now.cache_tokens) == (0, 0, 0)

    wait_until(idle, f"rows were left: {figures(decoder)}")
    assert figures(decoder).cache_max_tokens > 0


def test_a_cancelled_job_leaves_within_a_few_steps(decoder: Worker) -> None:
    job_id = begun(decoder)
    cancelled_at = decoder.now()
    decoder.store.cancel(job_id, TENANT)
    job = decoder.ended(job_id)
    assert job.status == "cancelled"
    assert_ended_soon(decoder, job, cancelled_at)
    assert decoder.answer(MODEL, "The", {"max_new_tokens": 2}, "generate")
    num_told = told(decoder, job_id)
    assert_idle(decoder)
    assert told(decoder, job_id) == num_told, "nobody writes for it any more"


def test_a_deadline_ends_a_job_while_it_writes(decoder: Worker) -> None:
    """At once, and not when the worker's next beat or a reaper comes by."""
    begins_in_s = longest_s(lambda: begin_and_cancel(decoder), 1)
    job = decoder.ended(begun(decoder, deadline_s=1 + 4 * begins_in_s))
    assert job.status == "expired"
    assert_ended_soon(decoder, job, job.deadline_at)
    assert_idle(decoder)


def test_a_timeout_ends_an_attempt(decoder: Worker) -> None:
    begins_in_s = longest_s(lambda: begin_and_cancel(decoder), 1)
    job = decoder.ended(begun(decoder, timeout_s=1 + 4 * begins_in_s))
    assert job.status == "failed" and job.error is not None and job.error.code == "execution_timeout"
    assert_idle(decoder)


def test_what_it_has_done_is_told(decoder: Worker) -> None:
    assert_idle(decoder)
    before = figures(decoder)
    job = decoder.ended(decoder.submit(MODEL, ["The", "A"], {"max_new_tokens": 10, "n": 3}, task="generate"))
    usage = json.loads(job.usage or b"")

    def counted() -> bool:
        return figures(decoder).tokens_out - before.tokens_out == usage["tokens_out"]

    wait_until(counted, f"{usage} and {figures(decoder)} differ")
    now = figures(decoder)
    assert now.tokens_in - before.tokens_in == 3 * usage["tokens_in"], "each text reads its prompt"
    assert sum(now.first_token.counts) - sum(before.first_token.counts) == 1
    assert sum(now.token_gap.counts) - sum(before.token_gap.counts) == usage["tokens_out"] - 6


def test_on_sigterm_it_gives_back_what_it_can_not_finish_and_another_worker_writes_the_same(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    parameters = {"do_sample": True, "temperature": 1.5, "max_new_tokens": 50, "details": True}
    with running_worker("decoder", valkey_server, tmp_path / "one.log", **SETTINGS, TRIPTYCH_DRAIN_S="0.3") as first:
        long = begun(first)
        short = first.submit(MODEL, "The", {**parameters, "n": 16}, task="generate", stream=True)
        assert first.terminate() == 0, first.log()
        job = first.job(long)
        assert (job.status, job.crashes) == ("queued", 0)
        first.store.cancel(long, TENANT)
    with running_worker("decoder", valkey_server, tmp_path / "two.log", **SETTINGS) as second:
        job = second.ended(short)
        assert (job.status, job.crashes) == ("succeeded", 0)
        answer = json.loads(job.output or b"")
        seed = answer["details"]["seed"]
        again = second.answer(MODEL, "The", {**parameters, "n": 16, "seed": seed}, "generate")
        texts = [one["generated_text"] for one in answer["sequences"]]
        assert sorted(texts) == sorted(one["generated_text"] for one in again["sequences"])


def test_a_worker_that_is_killed_has_told_the_beginning_of_what_the_next_one_writes(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    """The job has no seed of its own, and runs by itself the second time: nothing of that may change its texts."""
    lease = {"TRIPTYCH_LEASE_S": str(BEAT_S)}
    with running_worker("decoder", valkey_server, tmp_path / "one.log", **SETTINGS, **lease) as first:
        job_id = first.submit(MODEL, LONG_INPUTS[:6], LONG, task="generate", stream=True)
        wait_until(lambda: told(first, job_id) > 1, "the job does not write")
        first.process.kill()
        first.process.wait(PATIENCE_S)
    with running_worker("decoder", valkey_server, tmp_path / "two.log", **SETTINGS) as second:
        job = second.ended(job_id)
        assert (job.status, job.attempt, job.crashes) == ("succeeded", 2, 1)
        answers = json.loads(job.output or b"")
        texts = {(i, s): one["generated_text"] for i, a in enumerate(answers) for s, one in enumerate(a["sequences"])}
        for attempt in ("1", "2"):
            grown = dict.fromkeys(texts, "")
            for event in second.store.events(job_id, "0"):
                if event.name == "output" and event.fields["attempt"] == attempt:
                    for piece in json.loads(event.fields["pieces"]):
                        grown[piece.get("input", 0), piece.get("sequence", 0)] += piece.get("text", "")
            assert any(grown.values())
            assert all(texts[place].startswith(text) for place, text in grown.items()), f"attempt {attempt}"


def test_running_jobs_end_on_the_version_that_they_began_on(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    folder = tmp_path / "packages" / MODEL
    put_version(STARTERS / MODEL, folder, "v1")
    settings = {"TRIPTYCH_MODELS_DIR": str(folder.parent), "TRIPTYCH_RELOAD_S": "0.1", "TRIPTYCH_THREADS": "1"}
    with running_worker("decoder", valkey_server, tmp_path / "worker.log", **settings) as decoder:
        old = begun(decoder)
        put_version(STARTERS / MODEL, folder, "v2")
        wait_until(lambda: "new version served" in decoder.log(), "the new version was not taken")
        new = decoder.ended(decoder.submit(MODEL, "The", {"max_new_tokens": 3}, task="generate"))
        assert (new.status, new.model_revision) == ("succeeded", "v2")
        num_told = told(decoder, old)
        wait_until(lambda: told(decoder, old) > num_told, "the old job does not go on")
        assert decoder.job(old).status == "running" and "old version dropped" not in decoder.log()
        decoder.store.cancel(old, TENANT)
        wait_until(lambda: "old version dropped" in decoder.log(), "the old version was kept")
        assert decoder.terminate() == 0, decoder.log()
