"""The connection of a worker, and of its heartbeat process, to the job store."""

import redis

from contracts.store.redis_client import connect

TIMEOUT_S = 3.0
"""Less than the time between two beats, so that a silent connection costs one of them and no lease."""
RETRIES = 8
"""With growing pauses, about 5 s in all: longer than a restart of the store takes."""


def connect_worker(url: str, *, max_connections: int = 64) -> "redis.Redis":
    """Return a client that waits through a restart of the store. ``max_connections`` is as for ``connect``."""
    return connect(url, timeout_s=TIMEOUT_S, retries=RETRIES, max_connections=max_connections)
