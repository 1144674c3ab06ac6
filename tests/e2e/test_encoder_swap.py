"""A worker process loads new versions of a package: under load, on SIGHUP, and without leaking memory."""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from contracts.store.registry import Registry
from tests.e2e.workers import Worker, running_worker
from tests.support.paths import STARTERS
from tests.support.tiny_package import WORDS, replace_package, token_vectors, vectors_graph, write_package
from tests.support.valkey import ValkeyServer
from tests.support.versions import put_version
from tests.support.waiting import PATIENCE_S, wait_until

NUM_CLIENTS = 8
NUM_SWAPS = 10
NUM_MEMORY_SWAPS = 20


def wait_for_revision(encoder: Worker, name: str, revision: str) -> None:
    """Wait until a version is announced to gateways."""
    registry = Registry(encoder.client)

    def announced() -> bool:
        assert encoder.process.poll() is None, encoder.log()[-3000:]
        return registry.models()[name].revision == revision

    wait_until(announced, f"revision {revision} of {name} was not announced")


class Clients:
    """Threads that submit jobs and compare each answer with that of the version that the job names."""

    def __init__(self, encoder: Worker, versions: tuple[str, ...]) -> None:
        self._encoder = encoder
        self._vectors = {version: token_vectors(8, int(version)) for version in versions}
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(NUM_CLIENTS)
        self._runs = [self._pool.submit(self._run, number) for number in range(NUM_CLIENTS)]

    def _run(self, number: int) -> list[str]:
        revisions = []
        words = [f"w{number}", f"w{number + 20}"]
        ids = [WORDS.index(word) for word in ("[CLS]", *words, "[SEP]")]
        while not self._stop.is_set():
            job = self._encoder.ended(self._encoder.submit("tiny", " ".join(words)))
            assert (job.status, job.attempt, job.crashes) == ("succeeded", 1, 0), job.error
            assert job.model_revision is not None
            expected = self._vectors[job.model_revision][ids].mean(axis=0)
            np.testing.assert_allclose(json.loads(job.output or b""), expected, atol=1e-6)
            revisions.append(job.model_revision)
        return revisions

    def results(self) -> list[str]:
        """Stop, and return the revisions of all answers. A wrong answer raises its AssertionError."""
        self._stop.set()
        with self._pool:
            return [revision for run in self._runs for revision in run.result(PATIENCE_S)]


@pytest.fixture
def tiny(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Worker]:
    """A worker that serves version 1 of one package in ``tmp_path / "packages"``."""
    write_package(tmp_path / "packages" / "tiny", graph=vectors_graph(1), normalize=False, revision="1")
    settings = {"TRIPTYCH_MODELS_DIR": str(tmp_path / "packages"), "TRIPTYCH_RELOAD_S": "0.1", "TRIPTYCH_THREADS": "1"}
    with running_worker("encoder", valkey_server, tmp_path / "worker.log", **settings) as encoder:
        yield encoder


def test_ten_swaps_under_load_lose_no_job_and_mix_no_versions(tiny: Worker, tmp_path: Path) -> None:
    """One version in between is broken: its graph is cut off."""
    folder = tmp_path / "packages" / "tiny"
    clients = Clients(tiny, ("1", "2"))
    for swap in range(NUM_SWAPS):
        revision = "2" if swap % 2 == 0 else "1"
        if swap == NUM_SWAPS // 2:
            replace_package(folder, graph=b"half a graph", normalize=False, revision="9")
            wait_until(lambda: "new version refused" in tiny.log(), "the broken version was not refused")
        replace_package(folder, graph=vectors_graph(int(revision)), normalize=False, revision=revision)
        wait_for_revision(tiny, "tiny", revision)
    revisions = clients.results()
    assert set(revisions) == {"1", "2"} and len(revisions) > 10 * NUM_SWAPS
    wait_until(lambda: tiny.log().count("old version dropped") == NUM_SWAPS, "old versions were not dropped")
    assert tiny.log().count("not an ONNX graph") == 1
    assert tiny.terminate() == 0, tiny.log()[-3000:]


def test_sighup_reloads_at_once_and_ends_no_job(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """Celery's own handler of SIGHUP would restart the process, and lose its jobs."""
    folder = tmp_path / "packages" / "tiny"
    write_package(folder, graph=vectors_graph(1), normalize=False, revision="1")
    settings = {"TRIPTYCH_MODELS_DIR": str(tmp_path / "packages"), "TRIPTYCH_RELOAD_S": "0"}
    with running_worker("encoder", valkey_server, tmp_path / "worker.log", **settings) as encoder:
        for revision in ("2", "3"):
            replace_package(folder, graph=vectors_graph(int(revision)), normalize=False, revision=revision)
            encoder.process.send_signal(signal.SIGHUP)
            wait_for_revision(encoder, "tiny", revision)
            job = encoder.ended(encoder.submit("tiny", "w1"))
            assert job.model_revision == revision
        assert encoder.terminate() == 0


def test_twenty_versions_of_a_real_model_leave_no_memory_behind(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """A version of this model takes about 20 MB."""
    folder = tmp_path / "packages" / "starter-embed"
    put_version(STARTERS / "starter-embed", folder, "v0")
    settings = {"TRIPTYCH_MODELS_DIR": str(folder.parent), "TRIPTYCH_RELOAD_S": "0.1"}
    with running_worker("encoder", valkey_server, tmp_path / "worker.log", **settings) as encoder:
        expected = encoder.answer("starter-embed", "where is my parcel")
        sizes = []
        for number in range(1, NUM_MEMORY_SWAPS + 1):
            put_version(STARTERS / "starter-embed", folder, f"v{number}")
            wait_for_revision(encoder, "starter-embed", f"v{number}")
            assert encoder.answer("starter-embed", "where is my parcel") == expected
            wait_until(lambda: encoder.log().count("old version dropped") == number, "an old version was not dropped")  # noqa: B023
            sizes.append(encoder.memory_mb())
        # The least of a few, because some of what a version took may be given back only after the version was dropped.
        assert min(sizes[-5:]) - max(sizes[:3]) < 8, sizes
