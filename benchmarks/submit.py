"""Figure 3: how many jobs one gateway process accepts a second, each 202 sent after the job's record is in the store.

The peer only publishes a message (``plain_submit``). Both run under gunicorn's gevent worker on the same store, and
nothing consumes.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.clients import Run, drive, post
from benchmarks.machine import Bystanders
from benchmarks.peer import start_peer
from benchmarks.plain_submit import QUEUE
from benchmarks.report import BenchError, Figure, spread
from benchmarks.stack import Stack
from contracts.job_store import PREFIX
from contracts.jobs import queue_of
from contracts.registry import ModelCard, Registry

NUM_CLIENTS = 32
WARM_UP = 500
TARGET = 1.0
TEXT = "How do I reset my password?"
CARD = ModelCard(
    name="announced",
    task="embed",
    family="encoder",
    revision="none",
    licence="none",
    description="Known to the gateway, served by nobody.",
    max_tokens=256,
)


@dataclass(frozen=True)
class _Side:
    """One of the two servers: what it is asked, and how many jobs the store holds of it."""

    port: int
    request: bytes
    count: Callable[[Run], int]


def measure(pairs: int, seconds: float) -> list[Figure]:
    """Return the figure, measured on a stack without a worker."""
    with Stack() as stack:
        _empty(stack)
        ours = _gateway(stack)
        theirs = _plain(stack)
        num_requests = [_calibrate(stack, side, seconds) for side in (ours, theirs)]
        bystanders = Bystanders()
        rates: dict[_Side, list[float]] = {ours: [], theirs: []}
        for pair in range(pairs):
            # Who goes first changes, so that neither is always the one after a pause.
            order = [(ours, num_requests[0]), (theirs, num_requests[1])]
            for side, num in order if pair % 2 == 0 else reversed(order):
                rates[side].append(_run(stack, side, num).per_second)
    ratios = [our / their for our, their in zip(rates[ours], rates[theirs], strict=True)]
    parts = [
        f"ratio     {spread(ratios)}",
        f"gateway   {spread(rates[ours], '.0f')} submits/s, {num_requests[0]} a run, each found as record and message",
        f"plain     {spread(rates[theirs], '.0f')} submits/s, {num_requests[1]} a run, each found as a message",
        f"{NUM_CLIENTS} clients; {bystanders}",
    ]
    title = "3. Durable submits, as a ratio to a plain Flask view that calls task.delay()"
    return [Figure("submit", title, statistics.median(ratios), "", "at least", TARGET, parts)]


def _gateway(stack: Stack) -> _Side:
    def count(run: Run) -> int:
        ids = [json.loads(body)["id"] for body in run.bodies]
        keys = stack.client.exists(*(f"{PREFIX}job:{job_id}" for job_id in ids))
        return min(keys, len(set(ids)), stack.store.num_live(), stack.store.num_messages(queue_of(CARD.name)))

    body = {"task": "embed", "model": CARD.name, "inputs": TEXT}
    return _Side(stack.start_gateway(), post("/v1/jobs", body), count)


def _plain(stack: Stack) -> _Side:
    port = start_peer(stack, "plain", "benchmarks.plain_submit:create_app()", "--worker-class", "gevent")
    return _Side(port, post("/submit", {"inputs": TEXT}), lambda run: stack.client.llen(QUEUE))


def _calibrate(stack: Stack, side: _Side, seconds: float) -> int:
    """Warm a server up and return how many requests it answers in about so many seconds."""
    _run(stack, side, WARM_UP)
    return max(WARM_UP, int(seconds * _run(stack, side, WARM_UP).per_second))


def _run(stack: Stack, side: _Side, num_requests: int) -> Run:
    """Time one run on an empty store and see to it that the store holds what was accepted."""
    _empty(stack)
    run = drive(side.port, [side.request] * num_requests, NUM_CLIENTS, status=202)
    found = side.count(run)
    if found != num_requests:
        raise BenchError(f"{num_requests} submits were answered 202, and the store holds {found} jobs")
    return run


def _empty(stack: Stack) -> None:
    """Delete everything but the announced model, in one step: the gateway never sees itself without it."""
    pipeline = stack.client.pipeline(transaction=True)
    pipeline.flushdb()
    Registry(pipeline).announce(CARD)
    pipeline.execute()
