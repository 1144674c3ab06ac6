"""Servers and clients for tests of the job store: Valkey, and redis-server where it is installed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from contracts.store.redis_client import connect
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="session", params=["valkey", "redis-server"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all tests; `client` empties it."""
    binary = None
    if request.param == "redis-server":
        path = shutil.which("redis-server")
        if path is None:
            pytest.skip("redis-server is not installed (make test-tools)")
        binary = Path(path)
    with running_valkey(tmp_path_factory.mktemp(request.param), binary=binary) as running:
        yield running


@pytest.fixture
def client(server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client of an empty server, with enough connections for tests with threads."""
    connected = connect(server.url, timeout_s=10.0, retries=0, max_connections=64)
    connected.flushall()
    yield connected
    connected.close()
    connected.connection_pool.disconnect()


@pytest.fixture
def store(client: redis.Redis) -> JobStore:
    """An empty store with the clocks of a deployment. Its reaper trusts them, because it has seen them before."""
    found = JobStore(client)
    found.reap()
    client.flushall()
    return found
