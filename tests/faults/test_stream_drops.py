"""Clients that drop their streams, or do not read them: no sequence runs on, and no stream or memory is leaked."""

import select
import socket
import struct
import threading
from contextlib import ExitStack
from typing import Any

import psutil

from contracts.store.registry import Registry
from tests.faults.generating_fleet import GeneratingFleet
from tests.faults.stream_clients import chat
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.streams import dropped_after, num_streams, read_until
from tests.support.waiting import wait_until

NUM_STREAMS = 200
NUM_STALLED = 20
NUM_STREAMING = 20
KEPT_MB = 6.0
LONG: dict[str, Any] = {"temperature": 100.0, "max_tokens": 200, "n": 4}
"""The temperature makes all tokens about equally likely, so that hardly a text ends before its limit."""
LARGE: dict[str, Any] = {**LONG, "n": 16, "logprobs": True, "top_logprobs": 20}
"""Megabytes for each stream, which is more than the kernel buffers for a client that does not read."""


def open_and_drop(fleet: GeneratingFleet, gateway: GatewayProcess) -> None:
    """Open streams and drop them: most before their first byte, some of the others with a reset."""
    with ExitStack() as open_streams, ExitStack() as stalled_streams:
        reading: list[socket.socket] = []
        for number in range(NUM_STREAMS):
            if number % (NUM_STREAMS // NUM_STALLED):
                reading.append(open_streams.enter_context(_stream(gateway, "Tell me", LONG)))
            else:
                stalled_streams.enter_context(_stream(gateway, "Tell me all", LARGE, receive_bytes=1024))
        wait_until(lambda: len(select.select(reading, [], [], 0)[0]) >= NUM_STREAMING, "too few streams have begun")
        for connection in reading[::3]:  # with this option, close() sends a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        open_streams.close()
        # The gateway notices later that a client which does not read has gone.
        wait_until(lambda: num_streams(gateway) <= NUM_STALLED, "dropped streams stay open")


def _stream(gateway: GatewayProcess, text: str, parameters: dict[str, Any], **more: Any) -> Any:
    return dropped_after(gateway, "/v1/chat/completions", chat(text, **parameters), **more)


def assert_idle(fleet: GeneratingFleet, gateway: GatewayProcess) -> None:
    """Assert that nothing runs for clients that have gone."""

    def idle() -> bool:
        heartbeats = Registry(fleet.client).workers()
        if not heartbeats:  # the last one ran out while the store stood still
            return False
        (heartbeat,) = heartbeats
        figures = heartbeat.generation
        assert figures is not None
        return (heartbeat.running, figures.rows_running, figures.rows_waiting, figures.cache_tokens) == (0, 0, 0, 0)

    wait_until(lambda: fleet.store.num_live() == 0, "jobs were left")
    wait_until(lambda: num_streams(gateway) == 0, "streams were left")
    wait_until(idle, "sequences were left")


def growth_mb(fleet: GeneratingFleet, gateway: GatewayProcess, processes: list[psutil.Process]) -> float:
    """Return by how many megabytes the processes grow with hundreds of dropped streams."""
    before = memory_mb(processes)
    open_and_drop(fleet, gateway)
    assert_idle(fleet, gateway)
    return memory_mb(processes) - before


def memory_mb(processes: list[psutil.Process]) -> float:
    return sum(process.memory_info().rss for process in processes) / 1e6


def test_dropped_streams_leave_nothing(decoders: GeneratingFleet) -> None:
    gateway, (worker,) = decoders.start()
    processes = [psutil.Process(worker.pid), *psutil.Process(gateway.pid).children()]
    warm_up = growth_mb(decoders, gateway, processes)
    # A leak would grow in every round. A single round without growth therefore proves that there is none, even if
    # a busy machine needs several rounds with more buffers before it.
    wait_until(
        lambda: growth_mb(decoders, gateway, processes) <= KEPT_MB,
        f"each round leaked memory; the first one {warm_up:g} MB",
    )
    assert worker.alive()
    decoders.assert_takes_jobs()


def test_the_stream_of_a_client_that_does_not_read_is_closed(decoders: GeneratingFleet) -> None:
    gateway = decoders.new_gateway(TRIPTYCH_SEND_TIMEOUT_S="1")
    gateway.start()
    decoders.start()
    gateway.wait_until_ready()
    with ExitStack() as stalled:
        for _ in range(3):
            stalled.enter_context(_stream(gateway, "Tell me all", LARGE, receive_bytes=1024))
        wait_until(lambda: sum(decoders.store.num_finished().values()) == 3, "not all jobs have ended")
        wait_until(lambda: num_streams(gateway) == 0, "the stream of a client that does not read stayed open")
        assert_idle(decoders, gateway)
    assert "Traceback" not in gateway.log.read_text()


def test_clients_that_leave_while_the_store_is_frozen_still_cancel_their_jobs(
    generating_fleet: GeneratingFleet,
) -> None:
    gateway, _ = generating_fleet.start()
    slow = {"max_tokens": 200, "n": 16}
    with ExitStack() as streams:
        # The first job must have all slots before the second one is submitted, which then waits.
        read_until(streams.enter_context(_stream(gateway, "fault:slow=0.1", slow)), b"assistant")
        streams.enter_context(_stream(gateway, "fault:slow=0.1", slow))
        wait_until(lambda: generating_fleet.store.num_live() == 2, "the second job was not submitted")
        generating_fleet.server.freeze()
    threading.Event().wait(3)  # the fault itself: longer than the gateway's patience
    generating_fleet.server.thaw()
    assert_idle(generating_fleet, gateway)
    assert generating_fleet.store.num_finished() == {(generating_fleet.model, "cancelled"): 2}
