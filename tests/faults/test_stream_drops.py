"""Hundreds of streams that are opened and dropped: no row goes on, no stream stays open, no memory is kept."""

import select
import socket
import struct
import threading
from contextlib import ExitStack
from typing import Any

import psutil

from contracts.store.registry import Registry
from tests.faults.stream_clients import chat
from tests.faults.writing_fleet import WritingFleet
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.streams import dropped_after, num_streams, read_until
from tests.support.waiting import wait_until

NUM_STREAMS = 200
NUM_DEAF = 20
NUM_BEGUN = 20
KEPT_MB = 6.0
LONG: dict[str, Any] = {"temperature": 100.0, "max_tokens": 200, "n": 4}
"""So wild that hardly a text ends before its limit."""
LOUD: dict[str, Any] = {**LONG, "n": 16, "logprobs": True, "top_logprobs": 20}
"""Megabytes a stream: more than kernels hold for a client that does not read."""


def open_and_drop(fleet: WritingFleet, gateway: GatewayProcess) -> None:
    """Open streams and drop them: most before their first byte, and of those that have begun some by a reset."""
    with ExitStack() as open_streams, ExitStack() as deaf_streams:
        told: list[socket.socket] = []
        for number in range(NUM_STREAMS):
            if number % (NUM_STREAMS // NUM_DEAF):
                told.append(open_streams.enter_context(_stream(gateway, "Tell me", LONG)))
            else:
                deaf_streams.enter_context(_stream(gateway, "Tell me all", LOUD, receive_bytes=1024))
        wait_until(lambda: len(select.select(told, [], [], 0)[0]) >= NUM_BEGUN, "too few have begun")
        for connection in told[::3]:  # closing sends a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        open_streams.close()
        # The deaf ones stay a while longer than the others.
        wait_until(lambda: num_streams(gateway) <= NUM_DEAF, "dropped streams stay open")


def _stream(gateway: GatewayProcess, text: str, parameters: dict[str, Any], **more: Any) -> Any:
    return dropped_after(gateway, "/v1/chat/completions", chat(text, **parameters), **more)


def assert_idle(fleet: WritingFleet, gateway: GatewayProcess) -> None:
    """Prove that nobody works for clients that have gone."""

    def idle() -> bool:
        (card,) = Registry(fleet.client).workers()
        now = card.generation
        assert now is not None
        return (card.running, now.rows_running, now.rows_waiting, now.cache_tokens) == (0, 0, 0, 0)

    wait_until(lambda: fleet.store.num_live() == 0, "jobs are left")
    wait_until(lambda: num_streams(gateway) == 0, "streams are left")
    wait_until(idle, "rows are left")


def growth_mb(fleet: WritingFleet, gateway: GatewayProcess, processes: list[psutil.Process]) -> float:
    """Return by how much the memory of all grows with hundreds of streams."""
    before = memory_mb(processes)
    open_and_drop(fleet, gateway)
    assert_idle(fleet, gateway)
    return memory_mb(processes) - before


def memory_mb(processes: list[psutil.Process]) -> float:
    return sum(process.memory_info().rss for process in processes) / 1e6


def test_streams_opened_and_dropped_leave_nothing(decoders: WritingFleet) -> None:
    gateway, (worker,) = decoders.start()
    processes = [psutil.Process(worker.pid), *psutil.Process(gateway.pid).children()]
    warm_up = growth_mb(decoders, gateway, processes)
    # What is kept is kept in each round; what a busier round needs for a while is not.
    # So a round in which nothing stays proves it, however many a busy machine needs until then.
    wait_until(lambda: growth_mb(decoders, gateway, processes) <= KEPT_MB, f"memory is kept; {warm_up:g} MB at first")
    assert worker.alive()
    decoders.assert_takes_jobs()


def test_a_client_that_reads_nothing_is_given_up(decoders: WritingFleet) -> None:
    gateway = decoders.new_gateway(TRIPTYCH_SEND_TIMEOUT_S="1")
    gateway.start()
    decoders.start()
    gateway.wait_until_ready()
    with ExitStack() as deaf:
        for _ in range(3):
            deaf.enter_context(_stream(gateway, "Tell me all", LOUD, receive_bytes=1024))
        wait_until(
            lambda: sum(decoders.store.num_finished().values()) == 3, "not all texts have been written or given up"
        )
        wait_until(lambda: num_streams(gateway) == 0, "who reads nothing keeps a stream for ever")
        assert_idle(decoders, gateway)
    assert "Traceback" not in gateway.log.read_text()


def test_clients_that_leave_while_the_store_is_away_cancel_their_jobs_all_the_same(writing_fleet: WritingFleet) -> None:
    gateway, _ = writing_fleet.start()
    slow = {"max_tokens": 200, "n": 16}
    with ExitStack() as streams:
        # One after the other: whichever comes first takes all places, and the other one waits.
        read_until(streams.enter_context(_stream(gateway, "fault:slow=0.1", slow)), b"assistant")
        streams.enter_context(_stream(gateway, "fault:slow=0.1", slow))
        wait_until(lambda: writing_fleet.store.num_live() == 2, "not all are submitted")
        writing_fleet.server.freeze()
    threading.Event().wait(3)  # the fault itself: longer than the gateway's patience
    writing_fleet.server.thaw()
    assert_idle(writing_fleet, gateway)
    assert writing_fleet.store.num_finished() == {(writing_fleet.model, "cancelled"): 2}
