"""Notes of workers as files: who may find them, when, and what happens where none can be made."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.job_ids import new_job_id
from contracts.runtime_folder import runtime_folder, take_charge
from tests.support.paths import ROOT
from tests.support.processes import freeze
from tests.support.waiting import PATIENCE_S
from workers.runtime.process.note_files import MAX_AGE_S, make_note, orphans

JOB = new_job_id("acme", 0)
HOLDS = """
import subprocess, sys
from pathlib import Path
from workers.runtime.process.note_files import make_note
note = make_note(Path(sys.argv[1]), "host.7.ab12", 4)
note.state.hold(sys.argv[2], 3)
note.state.note_call([sys.argv[2]])
# As the heartbeat process, which inherits the memory and outlives the worker.
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[note.state.file])
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that holds a job, noted in the folder of the test, and has started another process."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path), JOB]
    running = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline()
    yield running
    running.kill()
    running.communicate(timeout=PATIENCE_S)


def found(parent: Path) -> list[str]:
    """Return the names of the orphans that can be seen now."""
    return [orphan.path.name for orphan in orphans(runtime_folder(parent))]


def test_a_note_is_found_once_its_worker_is_dead_even_if_its_child_lives(
    worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    assert found(tmp_path) == []
    freeze(worker.pid)
    assert found(tmp_path) == [], "a stopped worker is not dead"
    worker.kill()
    worker.wait(PATIENCE_S)
    (orphan,) = orphans(runtime_folder(tmp_path))
    assert orphan.path.name == "host.7.ab12.note"


def test_an_orphan_tells_what_its_worker_did(worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    worker.kill()
    worker.wait(PATIENCE_S)
    (attempts,) = [orphan.state.attempts() for orphan in orphans(runtime_folder(tmp_path))]
    assert [(attempt.job_id, attempt.attempt, attempt.in_call) for attempt in attempts] == [(JOB, 3, True)]


def test_one_finder_has_an_orphan_at_a_time(worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    worker.kill()
    worker.wait(PATIENCE_S)
    for _ in orphans(runtime_folder(tmp_path)):
        assert found(tmp_path) == []
    assert found(tmp_path) == ["host.7.ab12.note"], "it was not settled"


@pytest.mark.parametrize("charged", [True, False])
def test_a_settled_orphan_is_not_found_again_and_tells_the_supervisor(
    worker: "subprocess.Popen[bytes]", tmp_path: Path, charged: bool
) -> None:
    worker.kill()
    worker.wait(PATIENCE_S)
    for orphan in orphans(runtime_folder(tmp_path)):
        orphan.settle(charged=charged)
    assert found(tmp_path) == []
    assert not take_charge(tmp_path, 70)
    assert [take_charge(tmp_path, 7), take_charge(tmp_path, 7)] == [charged, False]
    assert list(runtime_folder(tmp_path).iterdir()) == []


def test_what_was_seen_before_is_left_alone(worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    worker.kill()
    worker.wait(PATIENCE_S)
    folder = runtime_folder(tmp_path)
    assert list(orphans(folder, {folder / "host.7.ab12.note"})) == []


def test_files_of_other_versions_are_ignored_and_old_ones_removed(tmp_path: Path) -> None:
    folder = runtime_folder(tmp_path)
    (folder / "host.1.ab12.note").write_bytes(b"triptyc0" + bytes(500))
    (folder / "host.2.ab12.note").write_bytes(b"")
    (folder / ".host.3.ab12.note").touch()
    (folder / "host.4.ab12.charged").touch()
    (folder / "link.note").symlink_to(tmp_path)
    (folder / "folder.note").mkdir()
    os.mkfifo(folder / "pipe.note")
    assert found(tmp_path) == []
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 7
    for name in names:
        os.utime(folder / name, (0, time.time() - MAX_AGE_S - 1), follow_symlinks=False)
    assert found(tmp_path) == []
    assert {path.name for path in folder.iterdir()} <= {"link.note", "folder.note", "pipe.note"}


def test_a_living_workers_note_is_never_too_old(worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    path = runtime_folder(tmp_path) / "host.7.ab12.note"
    os.utime(path, (0, 0))
    assert found(tmp_path) == [] and path.exists()


def blocked(folder: Path) -> Path:
    """Return a parent for the user's folder that is a file."""
    (folder / "file").touch()
    return folder / "file"


def foreign(folder: Path) -> Path:
    """Return a parent in which somebody has made the user's folder writable for all."""
    runtime_folder(folder).chmod(0o777)
    return folder


def linked(folder: Path) -> Path:
    """Return a parent in which the user's folder is a link to another one of the user."""
    (folder / "elsewhere").mkdir(mode=0o700)
    (folder / f"triptych-{os.geteuid()}").symlink_to(folder / "elsewhere")
    return folder


@pytest.mark.parametrize("make", [blocked, foreign, linked])
def test_without_a_folder_of_its_own_a_worker_has_a_note_without_a_name(
    tmp_path: Path, make: "Callable[[Path], Path]", caplog: pytest.LogCaptureFixture
) -> None:
    note = make_note(make(tmp_path), "host.7.ab12", 4)
    assert note.path is None
    note.state.hold(JOB, 1)
    assert len(note.state.attempts()) == 1
    assert len(caplog.records) == 1
    assert not list(tmp_path.glob("**/*.note"))


def test_the_folder_is_the_users_own(tmp_path: Path) -> None:
    folder = runtime_folder(tmp_path / "deeper")
    assert folder == tmp_path / "deeper" / f"triptych-{os.geteuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


FULL = """
import sys
from pathlib import Path
from workers.runtime.process.note_files import make_note
note = make_note(Path(sys.argv[1]), "host.7.ab12", 1000)
note.state.hold("job", 1)
print(note.path, len(note.state.attempts()), [path.name for path in Path(sys.argv[1]).glob("*/*")])
"""


def test_on_a_full_disk_a_worker_works_without_a_file(tmp_path: Path) -> None:
    """Memory that is mapped from a disk without space would end it with SIGBUS."""
    mount = f"mount -t tmpfs -o size=8k full {tmp_path} && exec {sys.executable} -c '{FULL}' {tmp_path}"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this machine gives nobody a file system of his own")
    assert done.stdout == "None 1 []\n", done.stderr
