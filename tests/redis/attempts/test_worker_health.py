"""A worker's `--health` says in one line what is wrong with the store, and reads one that takes no writes."""

import socket
import subprocess
import sys

import msgspec
import redis

from contracts.store.keys import PREFIX
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from tests.gateway.gateway_process import environment
from tests.redis.test_registry import worker
from tests.support.paths import ROOT
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import PATIENCE_S


def health(url: str) -> tuple[int, str]:
    """Return the exit status and the stderr of a health check."""
    found = subprocess.run(
        [sys.executable, "-m", "workers.encoder", "--health"],
        cwd=ROOT,
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return found.returncode, found.stderr


def test_a_store_that_is_out_of_reach_or_refuses_is_named(valkey_server: ValkeyServer) -> None:
    assert health(f"redis://127.0.0.1:{free_port()}/0") == (1, "The job store is out of reach.\n")
    with redis.Redis(port=valkey_server.port) as operator:
        operator.execute_command("ACL", "SETUSER", "limited", "on", ">pw", "+ping")
    status, text = health(valkey_server.url.replace("//", "//limited:pw@"))
    assert (status, "NOPERM" in text, text.count("\n")) == (1, True, 1)
    status, text = health(valkey_server.url.replace("//", "//limited:other@"))
    assert (status, "WRONGPASS" in text, text.count("\n")) == (1, True, 1)


def test_a_store_that_takes_no_writes_can_be_read(valkey_server: ValkeyServer) -> None:
    client = connect(valkey_server.url, timeout_s=10.0, retries=0)
    registry = Registry(client)
    registry.beat(worker("dead"), ttl_s=600)
    client.delete(f"{PREFIX}worker:dead")  # as if its time were over; its name stays until somebody may remove it
    client.replicaof("127.0.0.1", str(free_port()))
    assert health(valkey_server.url) == (1, "")
    client.replicaof("NO", "ONE")
    registry.beat(msgspec.structs.replace(worker("alive"), host=socket.gethostname()), ttl_s=600)
    client.sadd(f"{PREFIX}workers", "dead")
    client.replicaof("127.0.0.1", str(free_port()))
    assert health(valkey_server.url) == (0, "")
    client.close()
