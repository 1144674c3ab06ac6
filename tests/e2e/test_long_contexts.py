"""Models of long contexts on a worker with little memory: they serve what fits, say so, and give memory back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.cards import ModelCard
from contracts.store.registry import Registry
from tests.e2e.workers import Worker, assert_refused, run_worker_command, running_worker
from tests.support.attention_package import write_attention_package
from tests.support.valkey import ValkeyServer

MAX_MEMORY_MIB = 700
CALL_MB = (MAX_MEMORY_MIB - 128) / 2 * 1.048576
"""What one model call may take: half of what the worker itself leaves."""
MAX_TOKENS = 8192
NOISE_MB = 60
"""Threads, and what the allocators of Python and of the C library keep."""


@pytest.fixture(scope="module")
def worker(server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("long")
    write_attention_package(folder / "packages" / "long", heads=4, max_tokens=MAX_TOKENS)
    settings = {"TRIPTYCH_MODELS_DIR": str(folder / "packages"), "TRIPTYCH_MAX_MEMORY": str(MAX_MEMORY_MIB)}
    with running_worker("encoder", server, folder / "worker.log", **settings) as worker:
        yield worker


def card_of(worker: Worker) -> ModelCard:
    (card,) = Registry(worker.client).models().values()
    return card


def test_a_worker_serves_the_length_that_fits_and_gives_memory_back(worker: Worker) -> None:
    """Its longest call would take 3 GB, of which a worker used to keep all from its warm-up on."""
    max_tokens, ready_mb = card_of(worker).max_tokens, worker.memory_mb()
    assert 512 <= max_tokens < MAX_TOKENS and max_tokens % 256 == 0
    # It has timed calls of full batches and of a longer row.
    assert worker.peak_mb() < ready_mb + CALL_MB, "getting ready took more than a call may"
    assert "do not fit into TRIPTYCH_MAX_MEMORY" in worker.log()

    longest = "w1 " * (max_tokens - 2)
    together = worker.answer("long", [longest] * 3 + ["w1"])
    assert together[0] == worker.answer("long", longest), "an answer depends on what it was batched with"
    assert CALL_MB / 4 < worker.peak_mb() - ready_mb < CALL_MB + NOISE_MB
    assert worker.memory_mb() < ready_mb + NOISE_MB, "memory of a large call was not given back"


def test_a_longer_input_is_refused_with_the_length_that_is_announced(worker: Worker) -> None:
    max_tokens = card_of(worker).max_tokens
    job = worker.ended(worker.submit("long", "w1 " * (max_tokens - 1)))
    assert job.error is not None and job.error.code == "input_too_long"
    assert f"has {max_tokens + 1} tokens; the model takes {max_tokens}" in job.error.message
    cut = worker.ended(worker.submit("long", "w1 " * MAX_TOKENS, {"truncate": "right"}))
    assert json.loads(cut.usage or b"")["tokens_used"] == max_tokens


def test_a_model_that_can_not_hold_512_tokens_is_refused_in_one_line(tmp_path: Path) -> None:
    write_attention_package(tmp_path / "long", heads=8, max_tokens=MAX_TOKENS)
    done = run_worker_command("encoder", TRIPTYCH_MODELS_DIR=str(tmp_path), TRIPTYCH_MAX_MEMORY="140")
    assert_refused(done, "long: a model call of 512 tokens takes")
    assert "TRIPTYCH_MAX_MEMORY=140 leaves 9 MB for one: raise it, or serve fewer models" in done.stderr
