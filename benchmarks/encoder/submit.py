"""Figure 3: submits per second of one gateway process, which sends each 202 after the record is in the store.

The peer only publishes a message (``plain_submit``). Both run under gunicorn's gevent worker on the same store, and no
worker consumes the jobs.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.encoder.plain_submit import QUEUE
from benchmarks.harness.http_clients import Run, drive, post
from benchmarks.harness.machine import OtherLoad, cpu_seconds, pids_of
from benchmarks.harness.peer_server import start_peer
from benchmarks.harness.report import BenchError, Figure, spread
from benchmarks.harness.stack import Stack
from contracts.cards import ModelCard
from contracts.store.keys import PREFIX
from contracts.store.registry import write_announcement

NUM_CLIENTS = 32
WARM_UP = 500
TARGET = 1.3
TEXT = "How do I reset my password?"
CARD = ModelCard(
    name="announced",
    task="embed",
    family="encoder",
    revision="none",
    licence="none",
    description="Known to the gateway, served by no worker.",
    max_tokens=256,
)


@dataclass(frozen=True)
class _Side:
    """One of the two servers: the request that it gets, and how to count its jobs in the store."""

    module: str
    port: int
    request: bytes
    count: Callable[[Run], int]


@dataclass(frozen=True)
class _Measured:
    """Submits per second, and microseconds of the server's own CPU time for each."""

    rate: float
    cpu_us: float


def measure(pairs: int, seconds: float) -> list[Figure]:
    """Return the figure, measured on a stack without a worker."""
    with Stack() as stack:
        _empty(stack)
        ours = _gateway(stack)
        theirs = _plain(stack)
        num_requests = [_calibrate(stack, side, seconds) for side in (ours, theirs)]
        other_load = OtherLoad()
        found: dict[_Side, list[_Measured]] = {ours: [], theirs: []}
        for pair in range(pairs):
            # The order alternates, so that no side always runs after a pause.
            order = [(ours, num_requests[0]), (theirs, num_requests[1])]
            for side, num in order if pair % 2 == 0 else reversed(order):
                found[side].append(_run(stack, side, num))
    pairs_found = list(zip(found[ours], found[theirs], strict=True))
    ratios = [our.rate / their.rate for our, their in pairs_found]
    parts = [
        f"ratio     {spread(ratios)}",
        f"gateway   {_summary(found[ours])}; {num_requests[0]} a run, each found as a record in its queue",
        f"plain     {_summary(found[theirs])}; {num_requests[1]} a run, each found as a message",
        f"CPU time  {spread([their.cpu_us / our.cpu_us for our, their in pairs_found])} as a ratio: plain to gateway",
        f"{NUM_CLIENTS} clients; {other_load}",
    ]
    title = "3. Durable submits, as a ratio to a plain Flask view that calls task.delay()"
    return [Figure("submit", title, statistics.median(ratios), "", "at least", TARGET, parts)]


def _summary(runs: list[_Measured]) -> str:
    cpu_us = statistics.median(run.cpu_us for run in runs)
    return f"{spread([run.rate for run in runs], '.0f')} submits/s, {cpu_us:.0f} us of the server's CPU each"


def _gateway(stack: Stack) -> _Side:
    def count(run: Run) -> int:
        ids = [json.loads(body)["id"] for body in run.bodies]
        keys = stack.client.exists(*(f"{PREFIX}job:{job_id}" for job_id in ids))
        num_waiting, _ = stack.queues.depth(CARD.name)
        # A job counts only if it has an id of its own, a record and a place in its queue.
        return min(keys, len(set(ids)), stack.queues.num_live(), num_waiting)

    body = {"task": "embed", "model": CARD.name, "inputs": TEXT}
    return _Side("services.gateway", stack.start_gateway(), post("/v1/jobs", body), count)


def _plain(stack: Stack) -> _Side:
    port = start_peer(stack, "plain", "benchmarks.encoder.plain_submit:create_app()", "--worker-class", "gevent")
    return _Side("gunicorn", port, post("/submit", {"inputs": TEXT}), lambda run: stack.client.llen(QUEUE))


def _calibrate(stack: Stack, side: _Side, seconds: float) -> int:
    """Warm a server up and return how many requests it answers in about ``seconds``."""
    _run(stack, side, WARM_UP)
    # The rate of the second run counts: the first one opens connections and loads scripts.
    return max(WARM_UP, int(seconds * _run(stack, side, WARM_UP).rate))


def _run(stack: Stack, side: _Side, num_requests: int) -> _Measured:
    """Time one run on an empty store, and check that the store holds every accepted job."""
    _empty(stack)
    pids = pids_of(side.module)
    cpu_s = cpu_seconds(pids)
    run = drive(side.port, [side.request] * num_requests, NUM_CLIENTS, status=202)
    cpu_s = cpu_seconds(pids) - cpu_s
    # Otherwise a server that sends 202 without writing anything would win.
    found = side.count(run)
    if found != num_requests:
        raise BenchError(f"{num_requests} submits were answered 202, and the store holds {found} jobs")
    return _Measured(run.per_second, 1e6 * cpu_s / num_requests)


def _empty(stack: Stack) -> None:
    """Delete everything but the announced model, in one transaction, so that the gateway never loses the model."""
    pipeline = stack.client.pipeline(transaction=True)
    pipeline.flushdb()
    write_announcement(pipeline, [CARD], at=0.0)
    pipeline.execute()
