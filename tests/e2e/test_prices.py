"""What a worker announces of its prices, and what the store sees of the work that it does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from contracts.price.profile import ModelProfile
from contracts.store.profiles import Profiles, price_list
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from tests.e2e.workers import TENANT, Worker, running_worker
from tests.support.paths import STARTERS
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PROGRAM_S, wait_until

MODEL = "starter-embed"
TEXT = "The quick brown fox jumps over the lazy dog again and again, whatever the others in the forest say. " * 4
FULL_S = 8.0
"""Work of the flood. A worker is measured while it is full."""
AGREEMENT = 1.5


@pytest.fixture
def worker(server: ValkeyServer, tmp_path: Path) -> Iterator[Worker]:
    connect(server.url, timeout_s=10, retries=0).flushall()  # no earlier worker has learned anything
    settings = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL, "TRIPTYCH_LEASE_S": "6"}
    with running_worker("encoder", server, tmp_path / "worker.log", **settings) as worker:
        yield worker


def price_in(worker: Worker) -> ModelProfile:
    profiles = Profiles(worker.client)
    return wait_until(lambda: price_list(profiles.read([MODEL])).get(MODEL), "the model has no price")


def flooded(worker: Worker, own: ModelProfile) -> list[str]:
    """Submit jobs of several seconds by the worker's own profile."""
    job_s = 64 * len(TEXT) * 0.25 * own.token_in_s
    return [worker.submit(MODEL, [TEXT] * 64) for _ in range(int(FULL_S / job_s) + 1)]


def test_a_full_worker_is_as_fast_as_the_store_sees_by_the_prices_of_all_workers(worker: Worker) -> None:
    own = price_in(worker)
    other = structs.replace(own, device="cuda", row_s=own.row_s / 40, token_in_s=own.token_in_s / 40, num_jobs=1000.0)
    Profiles(worker.client).write("a GPU", 40.0, {MODEL: other})
    wait_until(lambda: price_in(worker).token_in_s < own.token_in_s / 2, "the other worker has no say")
    ids = flooded(worker, own)
    wait_until(lambda: not worker.store.num_live(), "the flood did not end", timeout_s=PROGRAM_S)
    jobs = sorted((worker.store.read(job_id, TENANT) for job_id in ids), key=lambda job: job.completed_at or 0.0)
    assert {job.status for job in jobs} == {"succeeded"}
    later = jobs[len(jobs) // 3 :]
    seen = sum(job.work_s or 0.0 for job in later[1:]) / ((later[-1].completed_at or 0) - (later[0].completed_at or 0))
    assert seen < 0.5, "a CPU does less by prices that a GPU has made"

    def speed() -> float:
        return next(card.speed for card in Registry(worker.client).workers() if card.pid == worker.process.pid)

    wait_until(
        lambda: seen / AGREEMENT < speed() < seen * AGREEMENT, f"the worker announces {speed()}, the store sees {seen}"
    )


def test_a_worker_that_starts_knows_what_an_earlier_one_has_learned(
    worker: Worker, server: ValkeyServer, tmp_path: Path
) -> None:
    before = price_in(worker).num_jobs
    for _ in range(60):
        worker.submit(MODEL, "\U0001f600\U0001f680" * 20)
    wait_until(lambda: price_in(worker).num_jobs >= before + 60, "the worker learned nothing")
    learned = price_in(worker).tokens_per_byte
    assert learned != ModelProfile().tokens_per_byte
    settings = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL}
    with running_worker("encoder", server, tmp_path / "second.log", **settings) as second:
        (profile,) = [
            kept.profile
            for name, kept in wait_until(
                lambda: Profiles(second.client).read([MODEL])[MODEL], "no profile is kept"
            ).items()
            if f".{second.process.pid}." in name
        ]
    assert profile.tokens_per_byte == pytest.approx(learned, rel=0.2) and profile.num_jobs >= 60
