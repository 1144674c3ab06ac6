"""New versions of a served package are loaded while jobs run, and no job is affected."""

import gc
import os
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.model_package.package import MANIFEST
from tests.support.tiny_package import vectors_graph, write_package
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.models.fakes import ServedPackage, assert_answers_as, run_job


def test_what_has_not_changed_is_not_loaded_again(package: ServedPackage) -> None:
    package.scan(3)
    (package.folder / "notes.txt").write_text("hello")
    os.utime(package.folder / MANIFEST)
    package.scan(3)
    assert package.num_loads == 0 and package.revision == "1"


def test_a_new_version_is_served_and_announced(package: ServedPackage, log: pytest.LogCaptureFixture) -> None:
    assert_answers_as(run_job(package.served), "1")
    package.put("2")
    package.scan(3)
    assert_answers_as(run_job(package.served), "2")
    assert (package.num_swaps, package.num_loads) == (1, 1)
    assert [card.revision for card in package.models.cards()] == ["2"]
    (record,) = [record for record in log.records if record.message == "new version served"]
    assert (vars(record)["revision"], vars(record)["before"]) == ("2", "1")


def test_limits_and_dimensions_may_change_with_the_version(package: ServedPackage) -> None:
    package.put("2", graph=vectors_graph(2, size=4), size=4, max_tokens=10)
    package.scan(1)
    card = package.served.card
    assert (card.dimensions, card.max_tokens) == (4, 10)


def test_an_earlier_version_can_be_restored(package: ServedPackage) -> None:
    for revision in ("2", "1", "2"):
        package.put(revision)
        package.scan(1)
        assert_answers_as(run_job(package.served), revision)


def test_a_job_ends_on_the_version_that_it_started_with(package: ServedPackage) -> None:
    old = package.served
    package.put("2")
    package.scan(1)
    assert_answers_as(run_job(old), "1")
    assert_answers_as(run_job(package.served), "2")


def test_an_old_version_is_dropped_with_its_last_job(package: ServedPackage, log: pytest.LogCaptureFixture) -> None:
    holder = [package.served]
    old = weakref.ref(holder[0])
    package.watcher.start()
    package.put("2")
    wait_until(lambda: package.revision == "2", "the new version was not loaded")
    gc.collect()
    assert old() is not None, "a job still holds the old version"
    assert "old version dropped" not in log.text
    assert_answers_as(run_job(holder[0]), "1")
    del holder[0]
    wait_until(lambda: "old version dropped" in log.text, "the old version was not dropped")
    assert old() is None
    assert package.watcher.stop(20)


@pytest.mark.parametrize("fails", [False, True])
def test_ended_jobs_do_not_keep_an_old_version_alive(package: ServedPackage, fails: bool) -> None:
    """The traceback of a failed job is a reference cycle, which keeps the model alive until it is collected."""
    old = weakref.ref(package.served)
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            if fails:
                with pytest.raises(Exception, match="tokens"):
                    run_job(package.served, "w1 " * 99)
            else:
                answer = run_job(package.served)
                assert_answers_as(answer, answer.model_revision)

    package.watcher.start()
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        package.put("2")
        wait_until(lambda: package.revision == "2", "the new version was not loaded")
        wait_until(lambda: old() is None, "the old version was not released")
        stop.set()
        for each in clients:
            each.result(PATIENCE_S)
    assert package.watcher.stop(20)


def test_a_package_that_is_gone_stays_served_and_may_come_back(
    package: ServedPackage, log: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(package.folder)
    package.scan(3)
    assert [record.message for record in log.records] == [
        "the package is gone; its last version is served until the worker ends"
    ]
    assert_answers_as(run_job(package.served), "1")
    write_package(package.folder, graph=vectors_graph(2), normalize=False, revision="2")
    package.scan(1)
    assert_answers_as(run_job(package.served), "2")


def test_a_new_package_waits_for_a_restart_and_is_logged_once(
    package: ServedPackage, log: pytest.LogCaptureFixture
) -> None:
    write_package(package.parent / "second")
    write_package(package.parent / "for-others", family="decoder")
    (package.parent / "broken").mkdir()
    (package.parent / "broken" / MANIFEST).write_text("half of")
    package.scan(3)
    assert package.models.names() == ["tiny"]
    assert [record.message for record in log.records] == ["a new package; restart the worker to serve it"]
    assert vars(log.records[0])["model"] == "second"


def test_packages_that_are_not_selected_are_not_logged(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    package = ServedPackage(tmp_path, models=("tiny",))
    write_package(tmp_path / "second")
    package.scan(3)
    assert not log.records


def test_a_link_to_another_folder_is_a_new_version(package: ServedPackage, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    for revision in ("1", "2"):
        write_package(
            versions / revision / "tiny", graph=vectors_graph(int(revision)), revision=revision, normalize=False
        )
    shutil.rmtree(package.folder)
    for revision in ("1", "2", "1"):
        new_link = tmp_path / "new_link"
        new_link.symlink_to(versions / revision / "tiny")
        new_link.rename(package.folder)
        package.scan(1)
        assert_answers_as(run_job(package.served), revision)


def test_a_watcher_that_was_never_started_can_be_stopped(package: ServedPackage) -> None:
    assert package.watcher.stop(1)
