"""A gateway, a worker or a stack that is told to stop while it starts ends at once, and quietly."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.gateway.gateway_process import environment
from tests.support.paths import ROOT
from tests.support.valkey import free_port, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

GATEWAY = ["services.gateway"]
PROGRAMS = [
    (GATEWAY, b"the store answers", signal.SIGTERM, 8),
    (GATEWAY, b"the store answers", signal.SIGINT, 4),
    (["workers.encoder"], b'"ready"', signal.SIGTERM, 4),
    (["deploy.local", "run"], b"is ready", signal.SIGTERM, 4),
]


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of the programs, with a store; the stack has one of its own."""
    folder: Path = tmp_path_factory.mktemp("start")
    with running_valkey(folder / "valkey") as valkey:
        yield environment(valkey.url, TRIPTYCH_DATA=str(folder / "data"), TRIPTYCH_GATEWAY_PROCESSES="2")


def started(command: list[str], variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    env = variables | {"TRIPTYCH_PORT": str(free_port())}
    if command[0] == "deploy.local":
        del env["TRIPTYCH_REDIS_URL"]
    # Programs inherit that SIGINT is ignored, and keep it so: tests that run in a shell's background ignore it.
    inherited = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    finally:
        signal.signal(signal.SIGINT, inherited)


def ended(process: "subprocess.Popen[bytes]", number: signal.Signals) -> str:
    """Signal a process, check that it ends quietly with all that it started, and return what it printed."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output = process.communicate(timeout=PATIENCE_S)[0].decode()
    # What has not set a handler yet ends by the signal itself.
    assert process.returncode in {0, -number}, output
    assert "Traceback" not in output and "traceback" not in output, output
    assert not psutil.wait_procs(children, timeout=PATIENCE_S)[1]
    return output


@pytest.mark.parametrize(
    ("command", "ready", "number", "num_moments"), PROGRAMS, ids=["gateway", "interrupt", "worker", "stack"]
)
def test_a_stop_at_any_moment_of_the_start_is_quiet(
    variables: dict[str, str], command: list[str], ready: bytes, number: signal.Signals, num_moments: int
) -> None:
    begin = time.monotonic()
    process = started(command, variables)
    assert process.stdout is not None
    for line in process.stdout:
        if ready in line:
            break
    start_s = time.monotonic() - begin
    ended(process, number)
    for moment in range(num_moments):
        process = started(command, variables)
        # Until then SIGINT is the interpreter's, which raises KeyboardInterrupt wherever it is, and may lose that in
        # code that ignores exceptions, whatever a program does.
        maps = Path(f"/proc/{process.pid}/maps")
        wait_until(lambda maps=maps: "site-packages" in maps.read_text(), "the program has imported no library")
        time.sleep(start_s * moment / num_moments)
        ended(process, number)


def test_a_stop_right_after_a_fork_reaches_the_new_process(variables: dict[str, str]) -> None:
    """Where no signal is ever lost, no process has to be killed after its drain time."""
    for pause_s in (0, 0.005, 0.01, 0.02, 0.04, 0.08):
        process = started(GATEWAY, variables)
        assert process.stdout is not None
        for line in process.stdout:
            if b"Booting worker" in line:
                break
        time.sleep(pause_s)
        assert "SIGKILL" not in ended(process, signal.SIGTERM)
