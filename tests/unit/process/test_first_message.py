"""A worker may be killed while its heartbeat process starts, which then has nothing to do and nothing to say."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S


@pytest.mark.parametrize("first", [b"", b'{"type":"start","process":"enc'])
def test_a_heartbeat_process_without_a_first_message_ends_quietly(first: bytes) -> None:
    command = [sys.executable, "-m", "workers.runtime.process.heartbeat"]
    ended = subprocess.run(command, check=False, cwd=ROOT, input=first, capture_output=True, timeout=PATIENCE_S)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
