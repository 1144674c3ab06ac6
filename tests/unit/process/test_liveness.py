"""A worker lives if its Python makes progress, or native code works; a stopped or dead one does not."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.process.heartbeat.liveness import Liveness
from workers.runtime.process.shared_state import SharedState


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that spins while there is a byte to read for each round, and else waits."""
    program = "import sys\nwhile sys.stdin.buffer.read(1): sum(range(10**7))"
    running = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    yield running
    running.kill()
    running.communicate(timeout=PATIENCE_S)


def test_a_worker_that_makes_progress_lives(process: "subprocess.Popen[bytes]") -> None:
    state = SharedState(1)
    state.progress()
    assert Liveness(process.pid, state, lease_s=PATIENCE_S, hard_limit_s=600).check()


def test_without_progress_a_worker_lives_while_it_uses_the_cpu(process: "subprocess.Popen[bytes]") -> None:
    liveness = Liveness(process.pid, SharedState(1), lease_s=0.0, hard_limit_s=float("inf"))
    wait_until(lambda: not liveness.check(), "a process that waits seems alive")
    assert process.stdin is not None
    process.stdin.write(b"." * 10)
    process.stdin.flush()
    wait_until(liveness.check, "a process that computes seems dead")


def test_without_progress_for_longer_than_the_hard_limit_a_worker_counts_as_dead(
    process: "subprocess.Popen[bytes]",
) -> None:
    liveness = Liveness(process.pid, SharedState(1), lease_s=0.0, hard_limit_s=0.0)
    assert not liveness.check()
    assert liveness.without_progress_s() > 0


def test_a_stopped_worker_does_not_live_and_gets_time_for_progress_when_it_goes_on(
    process: "subprocess.Popen[bytes]",
) -> None:
    state = SharedState(1)
    state.progress()
    liveness = Liveness(process.pid, state, lease_s=PATIENCE_S, hard_limit_s=600)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: not liveness.check(), "a stopped process seems alive")
    assert liveness.stopped
    process.send_signal(signal.SIGCONT)
    wait_until(liveness.check, "a process that goes on seems dead")
    assert not liveness.stopped


def test_a_worker_that_is_gone_does_not_live(process: "subprocess.Popen[bytes]") -> None:
    state = SharedState(1)
    state.progress()
    liveness = Liveness(process.pid, state, lease_s=PATIENCE_S, hard_limit_s=600)
    process.kill()
    wait_until(lambda: not liveness.check(), "a zombie seems alive")
    process.wait(PATIENCE_S)
    assert not liveness.check()
