"""New versions of a served package are loaded while jobs run, and no job is affected."""

import gc
import logging
import os
import shutil
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.model_package.package import MANIFEST
from tests.support.tiny_package import vectors_graph, write_package
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.models.fakes import Bench, ask, assert_answers_as


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "workers.runtime"):
        yield caplog


def test_what_has_not_changed_is_not_loaded_again(bench: Bench) -> None:
    bench.scan(3)
    (bench.folder / "notes.txt").write_text("hello")
    os.utime(bench.folder / MANIFEST)
    bench.scan(3)
    assert bench.num_loads == 0 and bench.revision == "1"


def test_a_new_version_is_served_and_announced(bench: Bench, log: pytest.LogCaptureFixture) -> None:
    assert_answers_as(ask(bench.served), "1")
    bench.put("2")
    bench.scan(3)
    assert_answers_as(ask(bench.served), "2")
    assert (bench.num_swaps, bench.num_loads) == (1, 1)
    assert [card.revision for card in bench.models.cards()] == ["2"]
    (record,) = [record for record in log.records if record.message == "new version served"]
    assert (vars(record)["revision"], vars(record)["before"]) == ("2", "1")


def test_limits_and_dimensions_may_change_with_the_version(bench: Bench) -> None:
    bench.put("2", graph=vectors_graph(2, size=4), size=4, max_tokens=10)
    bench.scan(1)
    card = bench.served.card
    assert (card.dimensions, card.max_tokens) == (4, 10)


def test_an_earlier_version_can_be_restored(bench: Bench) -> None:
    for revision in ("2", "1", "2"):
        bench.put(revision)
        bench.scan(1)
        assert_answers_as(ask(bench.served), revision)


def test_a_job_ends_on_the_version_that_it_started_with(bench: Bench) -> None:
    old = bench.served
    bench.put("2")
    bench.scan(1)
    assert_answers_as(ask(old), "1")
    assert_answers_as(ask(bench.served), "2")


def test_an_old_version_is_dropped_with_its_last_job(bench: Bench, log: pytest.LogCaptureFixture) -> None:
    holder = [bench.served]
    old = weakref.ref(holder[0])
    bench.watcher.start()
    bench.put("2")
    wait_until(lambda: bench.revision == "2", "the new version was not taken")
    gc.collect()
    assert old() is not None, "a job holds it"
    assert "old version dropped" not in log.text
    assert_answers_as(ask(holder[0]), "1")
    del holder[0]
    wait_until(lambda: "old version dropped" in log.text, "the old version was not dropped")
    assert old() is None
    assert bench.watcher.stop(20)


@pytest.mark.parametrize("fails", [False, True])
def test_ended_jobs_do_not_keep_an_old_version_alive(bench: Bench, fails: bool) -> None:
    """The traceback of a failed job is a reference cycle, which keeps the model alive until it is collected."""
    old = weakref.ref(bench.served)
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            if fails:
                with pytest.raises(Exception, match="tokens"):
                    ask(bench.served, "w1 " * 99)
            else:
                answer = ask(bench.served)
                assert_answers_as(answer, answer.model_revision)

    bench.watcher.start()
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        bench.put("2")
        wait_until(lambda: bench.revision == "2", "the new version was not taken")
        wait_until(lambda: old() is None, "the old version was not let go")
        stop.set()
        for each in clients:
            each.result(PATIENCE_S)
    assert bench.watcher.stop(20)


def test_a_package_that_is_gone_stays_served_and_may_come_back(bench: Bench, log: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(bench.folder)
    bench.scan(3)
    assert [record.message for record in log.records] == [
        "the package is gone; its last version is served until the worker ends"
    ]
    assert_answers_as(ask(bench.served), "1")
    write_package(bench.folder, graph=vectors_graph(2), normalize=False, revision="2")
    bench.scan(1)
    assert_answers_as(ask(bench.served), "2")


def test_a_new_package_waits_for_a_restart_and_is_logged_once(bench: Bench, log: pytest.LogCaptureFixture) -> None:
    write_package(bench.parent / "second")
    write_package(bench.parent / "for-others", family="decoder")
    (bench.parent / "broken").mkdir()
    (bench.parent / "broken" / MANIFEST).write_text("half of")
    bench.scan(3)
    assert bench.models.names() == ["tiny"]
    assert [record.message for record in log.records] == ["a new package; restart the worker to serve it"]
    assert vars(log.records[0])["model"] == "second"


def test_packages_that_are_not_selected_are_not_logged(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, models=("tiny",))
    write_package(tmp_path / "second")
    bench.scan(3)
    assert not log.records


def test_a_link_to_another_folder_is_a_new_version(bench: Bench, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    for revision in ("1", "2"):
        write_package(
            versions / revision / "tiny", graph=vectors_graph(int(revision)), revision=revision, normalize=False
        )
    shutil.rmtree(bench.folder)
    for revision in ("1", "2", "1"):
        beside = tmp_path / "beside"
        beside.symlink_to(versions / revision / "tiny")
        beside.rename(bench.folder)
        bench.scan(1)
        assert_answers_as(ask(bench.served), revision)


def test_a_watcher_that_was_never_started_can_be_stopped(bench: Bench) -> None:
    assert bench.watcher.stop(1)
