"""A confined process has no environment, no network and no files to write to, and the kernel holds it to its limits."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import PATIENCE_S
from workers.runtime.confinement import launcher
from workers.runtime.confinement.start import start_confined

MEMORY_BYTES = 256 << 20
# Each line of standard input is an expression; its value, or the name of the exception, is the answer.
PROGRAM = """
import json, os, socket, sys, threading
for line in sys.stdin:
    try:
        answer = eval(line)
    except BaseException as error:
        answer = type(error).__name__
    print(json.dumps(answer, default=str), flush=True)
"""
Ask = Callable[[str], Any]


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A confined process, started by a worker that has a secret in its environment."""
    monkeypatch.setenv("TRIPTYCH_REDIS_URL", "redis://:secret@127.0.0.1:6379/0")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with start_confined(program, "an argument", memory_bytes=MEMORY_BYTES) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


@pytest.fixture
def ask(process: "subprocess.Popen[bytes]") -> Ask:
    def ask_one(expression: str) -> Any:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(expression.encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    return ask_one


def test_its_environment_is_empty(process: "subprocess.Popen[bytes]", ask: Ask) -> None:
    assert ask("sys.argv[1:]") == ["an argument"]
    assert Path(f"/proc/{process.pid}/environ").read_bytes() == b""
    # Python itself sets this one, where the locale is not one of UTF-8.
    assert set(ask("list(os.environ)")) <= {"LC_CTYPE"}


def test_it_inherits_no_descriptor_and_works_elsewhere(ask: Ask) -> None:
    assert ask("sorted(map(int, os.listdir('/proc/self/fd')))")[:3] == [0, 1, 2]
    assert len(ask("os.listdir('/proc/self/fd')")) == 4  # the fourth is that of the listing
    assert ask("os.getcwd()") == "/"


def test_it_writes_no_file(ask: Ask, tmp_path: Path) -> None:
    assert ask(f"open({str(tmp_path / 'new')!r}, 'w').write('x')") == 1  # into the buffer
    assert ask(f"os.write(os.open({str(tmp_path / 'other')!r}, os.O_CREAT | os.O_WRONLY), b'x')") == "OSError"
    assert [path.stat().st_size for path in (tmp_path / "new", tmp_path / "other")] == [0, 0]


def test_its_memory_and_its_descriptors_are_bounded(ask: Ask) -> None:
    assert ask(f"len(bytes({MEMORY_BYTES}))") == "MemoryError"
    assert ask("len([os.dup(0) for _ in range(64)])") == "OSError"
    assert ask("len(bytes(1 << 20))") == 1 << 20


def test_it_dumps_no_core_gains_no_privileges_and_goes_first(process: "subprocess.Popen[bytes]", ask: Ask) -> None:
    assert ask("True")  # so that it has started
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert limits.splitlines()[5].split()[:6] == ["Max", "core", "file", "size", "0", "0"]
    assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"
    assert "NoNewPrivs:\t1\n" in Path(f"/proc/{process.pid}/status").read_text()


def test_it_starts_no_process(ask: Ask) -> None:
    if os.geteuid() == 0:
        pytest.skip("the kernel does not apply RLIMIT_NPROC to root")
    assert ask("os.fork()") == "BlockingIOError"
    assert ask("threading.Thread(target=print).start()") == "RuntimeError"


def test_it_reaches_no_server_where_a_namespace_is_permitted(process: "subprocess.Popen[bytes]", ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = ask(f"socket.create_connection({server.getsockname()!r}, 5).fileno()")
    if os.readlink(f"/proc/{process.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        pytest.skip("this system permits no network namespace")
    assert answer == "OSError"  # the network is unreachable


def test_a_system_with_tighter_limits_is_no_obstacle(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import resource; print(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(7))")
    command = f"ulimit -v 400000 -n 20 && exec {sys.executable} -I -B {launcher.__file__} {1 << 40} {program}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stdout == "(409600000, 409600000) (20, 20)\n", done.stderr
