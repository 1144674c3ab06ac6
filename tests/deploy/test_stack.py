"""The embedded stack as real processes: it restarts killed parts, keeps accepted jobs and leaves no process behind."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.settings import LocalSettings
from deploy.local.supervisor import Supervisor
from tests.deploy.stack import Stack, all_gone, ask, environment, running
from tests.support.paths import ROOT
from tests.support.processes import freeze
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that the tests of killed parts share. Each test leaves all parts running."""
    with running(TRIPTYCH_PORT="0", TRIPTYCH_DATA=str(tmp_path_factory.mktemp("data"))) as stack:
        stack.wait_until_ready()
        yield stack


def _model(url: str) -> dict[str, str]:
    status, models = ask(f"{url}/v1/models")
    assert status == 200
    return models["data"][0]


def _submit(url: str) -> str:
    model = _model(url)
    body = {"task": model["task"], "model": model["id"], "inputs": "When does the train leave?"}
    status, job = ask(f"{url}/v1/jobs", body)
    assert status == 202, job
    return str(job["id"])


def _wait_until_succeeded(url: str, job: str) -> None:
    def succeeded() -> bool:
        status, record = ask(f"{url}/v1/jobs/{job}?wait=5")
        assert status in {0, 200, 503}, record
        return status == 200 and record["status"] == "succeeded"

    wait_until(succeeded, f"job {job} did not succeed")


def test_the_log_tells_of_requests_and_of_ends(stack: Stack) -> None:
    url = stack.wait_until_ready()
    job = _submit(url)
    _wait_until_succeeded(url, job)
    stack.wait_for_line(rf'(?m)^gateway +\| {{.*"message":"request","method":"POST",.*"job_id":"{job}"')
    stack.wait_for_line(rf'(?m)^\w+ +\| {{.*"message":"job ended",.*"job_id":"{job}","status":"succeeded"')


@pytest.mark.parametrize(
    ("text", "on_terminal", "elsewhere"),
    [("", "info,text", "info,json"), ("debug", "debug,text", "debug,json"), ("json", "info,json", "info,json")],
)
def test_lines_are_for_people_if_the_stack_runs_on_a_terminal(
    text: str, on_terminal: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts themselves write into pipes."""
    supervisor = Supervisor(LocalSettings.read({"TRIPTYCH_LOG": text}, port=0), log=lambda name, line: None)
    parent, child = os.openpty()
    with os.fdopen(parent, "rb"), os.fdopen(child, "w") as terminal:
        for stream, expected in ((terminal, on_terminal), (io.StringIO(), elsewhere)):
            monkeypatch.setattr(sys, "stdout", stream)
            assert supervisor.log_setting() == expected


def test_pressing_ctrl_c_again_and_again_counts_as_impatience() -> None:
    supervisor = Supervisor(LocalSettings.read({}, port=0), log=lambda name, line: None)

    def pressed() -> bool:
        supervisor._on_signal(signal.SIGINT, None)
        return supervisor.is_impatient()

    wait_until(pressed, "signals in a row count as one for ever")


def _kill(stack: Stack, name: str) -> None:
    """Kill the head process of a part, and return when another one serves in its place."""
    before = stack.parts()[name]
    before.kill()
    wait_until(lambda: stack.parts().get(name, before).pid != before.pid, f"{name} was not restarted")
    url = stack.wait_until_ready()
    wait_until(lambda: ask(f"{url}/readyz")[0] == 200, f"not ready after the {name} was killed")


@pytest.mark.parametrize("name", ["encoder", "decoder", "seq2seq", "gateway"])
def test_a_killed_process_is_restarted_and_serves(stack: Stack, name: str) -> None:
    _kill(stack, name)
    url = stack.wait_until_ready()
    _wait_until_succeeded(url, _submit(url))
    stack.wait_for_line(rf"{name} died \(SIGKILL\)")


def test_a_job_survives_a_killed_store(stack: Stack) -> None:
    url = stack.wait_until_ready()
    encoder = stack.parts()["encoder"]
    freeze(encoder.pid)  # so that the job is still waiting when the store dies
    try:
        job = _submit(url)
        _kill(stack, "store")
    finally:
        encoder.resume()
    _wait_until_succeeded(url, job)


def test_a_second_stack_on_the_same_data_is_refused(stack: Stack) -> None:
    with running(TRIPTYCH_PORT="0", TRIPTYCH_DATA=str(stack.data)) as second:
        assert second.wait() == 2
    assert f"TRIPTYCH_DATA={stack.data}: another stack is running" in second.log


def test_a_port_in_use_is_refused_by_name(stack: Stack, tmp_path: Path) -> None:
    port = stack.wait_until_ready().rsplit(":", 1)[1]
    with running(TRIPTYCH_PORT=port, TRIPTYCH_DATA=str(tmp_path)) as second:
        assert second.wait() == 2
    assert "already in use; choose another TRIPTYCH_PORT" in second.log


def test_the_stores_password_is_neither_in_the_log_nor_on_a_command_line(stack: Stack) -> None:
    config = stack.data / "valkey.conf"
    assert config.stat().st_mode & 0o777 == 0o600
    password = next(line.split()[1] for line in config.read_text().splitlines() if line.startswith("requirepass"))
    commands = [" ".join(process.cmdline()) for process in stack.descendants()]
    assert not [text for text in [*commands, stack.log] if password in text]


def test_the_store_listens_on_loopback_only_and_refuses_strangers(stack: Stack) -> None:
    store = stack.parts()["store"]
    listening = {c.laddr for c in store.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert {address.ip for address in listening} == {"127.0.0.1"}
    (address,) = listening
    with socket.create_connection(address, timeout=PATIENCE_S) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(64).startswith(b"-NOAUTH")


def test_ctrl_c_stops_all_parts_and_the_next_start_has_the_jobs(tmp_path: Path) -> None:
    settings = {"TRIPTYCH_PORT": "0", "TRIPTYCH_DATA": str(tmp_path / "data")}
    with running(**settings) as stack:
        url = stack.wait_until_ready()
        job = _submit(url)
        _wait_until_succeeded(url, job)
        descendants = stack.descendants()
        # `timeout make run` signals the whole group, and make passes the signal on: the stack gets two at once.
        freeze(stack.process.pid)
        stack.process.send_signal(signal.SIGTERM)
        stack.process.send_signal(signal.SIGINT)
        assert stack.end(signal.SIGCONT) == 0, stack.log
        wait_until(lambda: all_gone(descendants), "a process was left behind")
    parts = ("gateway", "seq2seq", "decoder", "encoder", "store")
    stopped = [stack.log.index(f"{name} stopped (exit code 0)") for name in parts]
    assert stopped == sorted(stopped)
    with running(**settings, TRIPTYCH_MODELS="starter-embed") as stack:
        status, record = ask(f"{stack.wait_until_ready()}/v1/jobs/{job}")
        assert (status, record["status"]) == (200, "succeeded")
        assert stack.end(signal.SIGHUP) == 0, "closing the terminal must stop the stack as Ctrl-C does"


def test_killing_the_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    with running(TRIPTYCH_PORT="0", TRIPTYCH_DATA=str(tmp_path)) as stack:
        stack.wait_until_ready()
        descendants = stack.descendants()
        assert len(descendants) >= 3
        assert stack.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: all_gone(descendants), f"still running: {[p for p in descendants if p.is_running()]}")


def test_a_worker_without_packages_is_not_started_and_the_others_serve(tmp_path: Path) -> None:
    with running(TRIPTYCH_PORT="0", TRIPTYCH_DATA=str(tmp_path), TRIPTYCH_MODELS="starter-embed") as stack:
        url = stack.wait_until_ready()
        assert set(stack.parts()) == {"store", "encoder", "gateway"}
        assert "no decoder is needed" in stack.log and "no seq2seq is needed" in stack.log and "died" not in stack.log
        _wait_until_succeeded(url, _submit(url))


def test_an_invalid_setting_ends_the_stack_instead_of_restarting_its_parts(tmp_path: Path) -> None:
    with running(TRIPTYCH_PORT="0", TRIPTYCH_DATA=str(tmp_path), TRIPTYCH_LEASE_S="soon") as stack:
        assert stack.wait(PATIENCE_S) == 2
    assert "refused to start" in stack.log
    assert "TRIPTYCH_LEASE_S=soon" in stack.log
    assert "died" not in stack.log


def test_an_open_address_without_keys_is_refused_by_the_gateway(tmp_path: Path) -> None:
    settings = {"TRIPTYCH_PORT": "0", "TRIPTYCH_DATA": str(tmp_path)}
    with running(TRIPTYCH_HOST="0.0.0.0", **settings) as refused:
        assert refused.wait(PATIENCE_S) == 2
    assert "gateway refused to start" in refused.log
    assert "Start once without TRIPTYCH_HOST" in refused.log
    # What it says to do, as printed.
    create = re.search("'(.* keys create --tenant NAME)'", refused.log)[1]
    with running(**settings) as stack:
        stack.wait_until_ready()
        key = subprocess.check_output(create, shell=True, cwd=ROOT, env=environment(**settings), timeout=PATIENCE_S)
    assert key.startswith(b"tt_")
    with running(TRIPTYCH_HOST="0.0.0.0", **settings) as stack:
        assert ask(f"{stack.wait_until_ready()}/v1/jobs")[0] == 401


def test_with_an_external_redis_no_store_is_started(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    data = tmp_path / "data"
    with running(TRIPTYCH_PORT="0", TRIPTYCH_DATA=str(data), TRIPTYCH_REDIS_URL=valkey_server.url) as stack:
        url = stack.wait_until_ready()
        assert set(stack.parts()) == {"gateway", "encoder", "decoder", "seq2seq"}
        _wait_until_succeeded(url, _submit(url))
    assert not data.exists()
    assert valkey_server.answers(), "an external store must survive the stack"
