"""Every call ends in bounded time, whatever state the server is in, and accepted jobs survive a killed server."""

import time

import pytest
import redis

from contracts.store.problems import NO_CONNECTION, problem_of
from contracts.store.redis_client import connect, server_warnings
from tests.redis.builders import ANSWER, TENANT, claim, claimed, num_messages, status, submit, waiting
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, longest_s

TIMEOUT_S = 2.0
"""Of calls that are made to a server that is frozen."""


def store_of(server: ValkeyServer, timeout_s: float = PATIENCE_S, retries: int = 0) -> JobStore:
    client = connect(server.url, timeout_s=timeout_s, retries=retries)
    return JobStore(client)


def test_a_frozen_server_costs_one_timeout(valkey_server: ValkeyServer) -> None:
    patient, store = store_of(valkey_server), store_of(valkey_server, TIMEOUT_S)
    round_trip_s = longest_s(lambda: submit(patient))
    valkey_server.freeze()
    before = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        submit(store)
    assert time.monotonic() - before < 2 * TIMEOUT_S + 20 * round_trip_s
    valkey_server.thaw()
    for each in (store, patient):
        each.client.connection_pool.disconnect()
    submit(patient)
    patient.client.connection_pool.disconnect()


def test_a_dead_server_is_an_error_at_once(valkey_server: ValkeyServer) -> None:
    store = store_of(valkey_server)
    submit(store)
    valkey_server.kill()
    before = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        submit(store)
    assert time.monotonic() - before < PATIENCE_S / 2, "it waited for its timeout"


def test_accepted_jobs_survive_a_killed_server_and_the_store_reconnects(
    valkey_server: ValkeyServer,
) -> None:
    """The scripts are gone from the new server's cache, the connections are dead, the jobs are there."""
    store = store_of(valkey_server, retries=3)
    queued, running, done = submit(store), claimed(store), claimed(store)
    store.succeed(done, ANSWER)
    valkey_server.kill()
    valkey_server.start()
    assert waiting(store) == [queued] and num_messages(store) == 2
    assert store.read(done.id, TENANT).output == ANSWER.output
    assert store.renew_leases([(running.id, running.attempt)]) == set()
    assert store.succeed(running, ANSWER)
    store.reap()
    store.succeed(claim(store, queued), ANSWER)
    assert {status(store, job_id) for job_id in (queued, running.id, done.id)} == {"succeeded"}
    store.client.connection_pool.disconnect()


def test_the_embedded_server_needs_no_warning(valkey_server: ValkeyServer) -> None:
    client = connect(valkey_server.url, timeout_s=PATIENCE_S, retries=0)
    assert server_warnings(client) == []
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert len(server_warnings(client)) == 1
    client.connection_pool.disconnect()


def test_a_client_without_a_free_connection_does_not_blame_the_store(valkey_server: ValkeyServer) -> None:
    client = connect(valkey_server.url, timeout_s=PATIENCE_S, retries=0, max_connections=1)
    with client.client(), pytest.raises(redis.ConnectionError) as raised:  # which takes the only connection
        client.ping()
    assert problem_of(raised.value) == NO_CONNECTION
