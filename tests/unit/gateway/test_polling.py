"""The gateway's `select.poll`: what is there is found at once, and what is not makes one greenlet wait."""

import select
import socket
import subprocess
import sys
from collections.abc import Iterator

import gevent
import pytest

from services.gateway.server.polling import QuickPoll

# In a process of its own, because gevent's patches can't be taken back.
_PATCHED = """
from gevent import monkey
monkey.patch_all()
import select
from services.gateway.server.worker import GatewayWorker
worker = GatewayWorker.__new__(GatewayWorker)
worker.sockets = []
worker.patch()
print(select.poll.__name__)
"""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, peer = socket.socketpair()
    with ours, peer:
        yield ours, peer


def _polling(ours: socket.socket) -> QuickPoll:
    polling = QuickPoll()
    polling.register(ours, select.POLLIN)
    return polling


def test_what_is_there_is_found_without_a_turn_of_the_loop(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    turns: list[int] = []
    gevent.spawn(turns.append, 1)  # runs as soon as somebody waits
    assert _polling(ours).poll(0) == []
    peer.send(b"x")
    assert _polling(ours).poll(60_000) == [(ours.fileno(), select.POLLIN)]
    assert not turns


def test_only_the_greenlet_waits_for_what_is_not_there(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    gevent.spawn(peer.send, b"x")  # could not run if the process waited
    assert _polling(ours).poll(60_000) == [(ours.fileno(), select.POLLIN)]


def test_a_wait_for_nothing_ends(pair: tuple[socket.socket, socket.socket]) -> None:
    assert _polling(pair[0]).poll(1) == []


def test_the_end_of_a_connection_is_seen(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    peer.close()
    assert _polling(ours).poll(0) != []


def test_nothing_is_said_of_what_is_watched_no_more(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    polling = _polling(ours)
    peer.send(b"x")
    polling.unregister(ours)
    assert polling.poll(1) == []


def test_a_process_of_the_gateway_polls_so() -> None:
    done = subprocess.run([sys.executable, "-c", _PATCHED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [QuickPoll.__name__]
