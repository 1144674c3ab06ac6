"""Calls in a child process: what they return and raise, and that they hold neither the event loop nor each other."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import psutil
import pytest

from contracts.errors import InvalidRequest
from services.gateway.offload.client import SMALL_CALL_BYTES, Offload
from services.gateway.offload.errors import CallFailed, CallLimitExceeded, GatewayBusy
from tests.gateway.offload import calls
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def offload() -> Iterator[Offload]:
    offload = Offload()
    yield offload
    offload.stop()


def wait_in_loop(condition: Callable[[], object], failure: str) -> None:
    """As ``wait_until``, while other greenlets run."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, failure
        gevent.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_bytes_cross_as_they_are(offload: Offload) -> None:
    for argument in (b"", b"\x00\xff\n", os.urandom(9 << 20)):
        assert offload.call(calls.reversed_bytes, argument) == argument[::-1]


def test_the_loop_runs_while_a_call_does(offload: Offload) -> None:
    offload.call(calls.reversed_bytes, b"start the child")
    call = gevent.spawn(offload.call, calls.burn, b"1")
    used, ticks = time.process_time(), 0
    while not call.ready():
        gevent.sleep(0.01)
        ticks += 1
    assert call.get() == b"burnt"
    assert ticks > 10
    assert time.process_time() - used < 0.8  # a second of work, and it is not in this process


def test_errors_for_clients_cross_and_bugs_are_told(offload: Offload) -> None:
    with pytest.raises(InvalidRequest, match="Expected something else") as refusal:
        offload.call(calls.refuse, b"inputs[3]")
    assert refusal.value.param == "inputs[3]"
    with pytest.raises(CallFailed, match="KeyError"):
        offload.call(calls.fail, b"x")
    pids = offload.pids
    assert offload.call(calls.reversed_bytes, b"ab") == b"ba"
    assert offload.pids == pids, "neither of them ends the child"


def test_a_call_beyond_its_limits_ends_and_the_next_one_runs(offload: Offload) -> None:
    with pytest.raises(CallLimitExceeded):
        offload.call(calls.burn, b"600", cpu_s=0.1)
    for function, argument in ((calls.fill, b"9000000000"), (calls.fill_slowly, b"9000")):
        waiting = gevent.spawn(offload.call, function, argument)
        following = gevent.spawn(offload.call, calls.reversed_bytes, b"ab")
        with pytest.raises(CallLimitExceeded):
            waiting.get()
        assert following.get() == b"ba"


def test_a_call_whose_child_is_killed_runs_once_more(offload: Offload, tmp_path: Path) -> None:
    assert offload.call(calls.die_once, str(tmp_path / "marker").encode()) == b"survived"
    with pytest.raises(GatewayBusy):
        offload.call(calls.die, b"")
    assert offload.call(calls.reversed_bytes, b"ab") == b"ba"


def test_a_child_that_can_not_start_is_a_busy_gateway_and_a_later_call_has_one(offload: Offload) -> None:
    gevent.sleep(0)  # the event loop has its own descriptors, and without them ends the whole process
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))  # all further descriptors are too many
    try:
        with pytest.raises(GatewayBusy):
            offload.call(calls.reversed_bytes, b"abc")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert offload.call(calls.reversed_bytes, b"abc") == b"cba"


def test_small_calls_do_not_wait_for_large_ones(offload: Offload) -> None:
    large = gevent.spawn(offload.call, calls.burn, b"1" + b" " * SMALL_CALL_BYTES, cpu_s=100)
    gevent.sleep(0)
    assert offload.call(calls.reversed_bytes, b"ab") == b"ba"
    large.get()


def test_waiting_calls_are_limited_in_number_bytes_and_time() -> None:
    offload = Offload(max_calls=2, max_bytes=100)
    running = gevent.spawn(offload.call, calls.burn, b"600", cpu_s=1000)
    wait_in_loop(lambda: offload.pids, "no child was started")
    with pytest.raises(GatewayBusy):
        offload.call(calls.reversed_bytes, b"x" * 101)
    waiting = gevent.spawn(offload.call, calls.reversed_bytes, b"x", max_wait_s=0.2)
    gevent.sleep(0)
    with pytest.raises(GatewayBusy):
        offload.call(calls.reversed_bytes, b"x")
    with pytest.raises(GatewayBusy):
        waiting.get()
    running.kill()
    wait_in_loop(lambda: not offload.pids, "the call of a killed greenlet runs on")
    assert offload.call(calls.reversed_bytes, b"x" * 101) == b"x" * 101, "alone, it may be longer"
    offload.stop()


def test_a_client_that_has_gone_gives_up_its_turn(offload: Offload) -> None:
    def gone() -> None:
        raise InvalidRequest("gone")

    with pytest.raises(InvalidRequest, match="gone"):
        offload.call(calls.burn, b"600", on_turn=gone)
    assert not offload.pids


def test_an_idle_child_ends() -> None:
    offload = Offload(idle_s=0.2)
    offload.call(calls.reversed_bytes, b"x")
    (pid,) = offload.pids
    wait_in_loop(lambda: not offload.pids and is_gone(pid), "the child is idle and still there")
    assert offload.call(calls.reversed_bytes, b"ab") == b"ba"
    offload.stop()


def test_the_child_has_no_secret(offload: Offload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH_REDIS_URL", "redis://:secret@127.0.0.1")
    found = json.loads(offload.call(calls.variables, b""))
    assert set(found) <= {"PYTHONPATH", "LC_CTYPE"}  # Python itself sets the second


def test_a_busy_child_dies_with_its_parent() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.gateway.offload.parent"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout
    pid = int(program.stdout.readline())
    assert not is_gone(pid)
    program.kill()
    program.wait()
    program.stdout.close()
    wait_until(lambda: is_gone(pid), "the child survives its parent")


def test_the_kernel_kills_the_child_first_when_memory_runs_out(offload: Offload) -> None:
    offload.call(calls.reversed_bytes, b"x")
    (pid,) = offload.pids
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
