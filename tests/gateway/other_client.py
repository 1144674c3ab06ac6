"""Another client of a gateway, which must not feel what the clients of a test do to it."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.large_bodies import filled
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

_NUM_TRIES = 3
_NUM_PARSES = 2
"""Where the parsing of 1 MiB so many times takes more than 100 ms, that is the delay that is allowed."""


class OtherClient(threading.Thread):
    """Asks ``/livez`` again and again, and notes how long the longest answer took. Made when the first one has come."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self._enough = threading.Event()
        self.longest_s = 0.0
        self.num_answers = 0
        self.start()
        wait_until(lambda: self.num_answers or not self.is_alive(), "the gateway does not answer")

    def run(self) -> None:
        with closing(self._connection):
            while not self._enough.is_set():
                started = time.monotonic()
                self._connection.request("GET", "/livez")
                assert self._connection.getresponse().read()
                self.longest_s = max(self.longest_s, time.monotonic() - started)
                self.num_answers += 1
                time.sleep(0.002)  # the pause of a client, and no wait for anything

    def __enter__(self) -> "OtherClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self.join(PATIENCE_S)

    def end(self) -> float:
        """Return the longest delay in seconds."""
        self._enough.set()
        self.join(PATIENCE_S)
        assert not self.is_alive() and self.num_answers
        return self.longest_s


def assert_no_delay(gateway: GatewayProcess, delay_s: Callable[[], float]) -> None:
    """Assert that another client waits hardly longer than at an idle gateway. ``delay_s`` measures how long."""
    delays = []
    for _ in range(_NUM_TRIES):
        allowed = _allowed_s(gateway)
        delays.append(delay_s())
        # Other programs may have had both processors. The gateway's own work would be in the way every time.
        if delays[-1] <= allowed:
            return
    pytest.fail(f"another client waited {delays} s, {allowed} s are allowed")


def _allowed_s(gateway: GatewayProcess) -> float:
    """Return the longest delay that is allowed: beyond that of an idle gateway, as this machine is now."""
    mebibyte = filled("[", "[],", "[]]", 1 << 20)()
    parse_s = longest_s(lambda: json.loads(mebibyte))
    return gateway.round_trip_s() + max(0.1, _NUM_PARSES * parse_s)
