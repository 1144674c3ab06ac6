"""What the embedded stack consists of beside its store, and whether the workers among it have announced themselves."""

import socket
import sys
from collections.abc import Collection, Mapping

import redis

from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from deploy.local.process import Part

WORKERS = ("encoder", "decoder", "seq2seq")
NOTHING_TO_SERVE = 3
"""Exit status of a worker that finds packages of other families only, as `workers.runtime.process.command` sets it."""
_TIMEOUT_S = 2.0


def gateway_and_workers(env: Mapping[str, str], drain_s: float) -> list[Part]:
    """Return how to run them, in the order in which they are started."""
    # Past its drain a worker still has to write down what it gives back, so it gets some seconds more.
    workers = [Part(name, [sys.executable, "-m", f"workers.{name}"], env, drain_s + 5.0) for name in WORKERS]
    return [*workers, Part("gateway", [sys.executable, "-m", "services.gateway"], env, stop_after_s=15.0)]


def announced_models(redis_url: str, pids: Collection[int]) -> set[str] | None:
    """Return what these processes of this machine serve, or None unless all of them have said so by now."""
    client = connect(redis_url, timeout_s=_TIMEOUT_S, retries=0)
    try:
        ours = [card for card in Registry(client).workers() if card.host == socket.gethostname() and card.pid in pids]
    except redis.RedisError:
        return None
    finally:
        client.connection_pool.disconnect()
    return {name for card in ours for name in card.models} if {card.pid for card in ours} == set(pids) else None
