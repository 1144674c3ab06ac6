"""Figure 2: the round trip of one short text through HTTP, queue and worker on an idle system."""

import statistics
import time
from collections.abc import Callable

from benchmarks.encoder.bare_model import BareModel
from benchmarks.encoder.over_http import embed_request
from benchmarks.harness.http_clients import OneClient
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import Figure, p95

TEXT = "How do I reset my password?"
TARGET_MS = 2.0
"""Half of what it was when each job had a message of its own."""
WARM_UP = 10


def measure(port: int, bare: BareModel, num_requests: int) -> list[Figure]:
    """Return the figure; requests to the gateway and calls of the bare model alternate."""
    request, rows = embed_request(TEXT), bare.rows([TEXT])
    other_load = OtherLoad()
    model_ms, trip_ms = [], []
    with OneClient(port) as client:
        # Alternating calls see the same clock rate and the same caches.
        for _ in range(WARM_UP + num_requests):
            model_ms.append(_milliseconds(lambda: bare.model.run(rows)))
            trip_ms.append(_milliseconds(lambda: client.ask(request)))
    # The first calls fill caches and connection pools, which a running system does only once.
    model_ms, trip_ms = sorted(model_ms[WARM_UP:]), sorted(trip_ms[WARM_UP:])
    own, trip = statistics.median(model_ms), statistics.median(trip_ms)
    parts = [
        f"round trip  p50 {trip:.1f} ms, p95 {p95(trip_ms):.1f} ms over {num_requests} requests of one client",
        f"model alone p50 {own:.1f} ms, p95 {p95(model_ms):.1f} ms, same text, already tokenized",
        str(other_load),
    ]
    title = "2. Idle round trip of one short text, beyond the model's own time"
    return [Figure("latency", title, trip - own, "ms", "at most", TARGET_MS, parts)]


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)
