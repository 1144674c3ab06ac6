"""The gateway and the workers of the local stack: their commands, and the models that the workers have announced."""

import shlex
import socket
import sys
from collections.abc import Collection, Mapping

import redis

from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from deploy.local.process import ProcessSpec

WORKERS = ("encoder", "decoder", "seq2seq")
NOTHING_TO_SERVE = 3
"""Exit status of a worker that finds only packages of other families; set by `workers.runtime.process.program`."""
_TIMEOUT_S = 2.0


def gateway_and_workers(env: Mapping[str, str], drain_s: float) -> list[ProcessSpec]:
    """Return how to run them, in the order of their start."""
    # After its drain time a worker still returns jobs to the queue, which takes some seconds.
    workers = [ProcessSpec(name, [sys.executable, "-m", f"workers.{name}"], env, drain_s + 5.0) for name in WORKERS]
    return [*workers, ProcessSpec("gateway", gateway_command(), env, stop_after_s=15.0)]


def gateway_command() -> list[str]:
    """Return the command of the gateway, which it is told to name in its texts as users of the stack type it."""
    typed = f"{shlex.quote(sys.orig_argv[0])} -m deploy.local gateway"
    return [sys.executable, "-m", "services.gateway", "--stack", typed]


def announced_models(redis_url: str, pids: Collection[int]) -> set[str] | None:
    """Return the models that these processes of this machine serve, or None unless all have announced theirs."""
    client = connect(redis_url, timeout_s=_TIMEOUT_S, retries=0)  # the caller polls, so a failure is no error
    try:
        ours = [card for card in Registry(client).workers() if card.host == socket.gethostname() and card.pid in pids]
    except redis.RedisError:
        return None
    finally:
        client.connection_pool.disconnect()
    return {name for card in ours for name in card.models} if {card.pid for card in ours} == set(pids) else None
