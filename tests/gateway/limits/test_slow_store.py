"""While the store hangs, rates make no answer later than it is anyhow."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from contracts.store.tenants.limits import StoredLimits
from services.gateway.auth.api_keys import ApiKeys
from tests.gateway.fakes.worker import UNSERVED, announce, store_of
from tests.gateway.gateway_process import running_gateway
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

BODY = {"task": "embed", "model": UNSERVED, "inputs": "x"}
TENANTS = ("rated", "free")


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[tuple[ValkeyServer, dict[str, httpx.Client]]]:
    """A store, and a client of a tenant that has a rate and of one that has none."""
    with running_valkey(tmp_path / "valkey") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url, PATIENCE_S)
        StoredLimits(store.client).change("rated", {"requests_per_minute": 100})
        keys = {tenant: ApiKeys(store.client).create(tenant) for tenant in TENANTS}
        store.client.close()
        with running_gateway(valkey.url, tmp_path, TRIPTYCH_GATEWAY_PROCESSES="1") as gateway:
            made = {
                tenant: httpx.Client(base_url=gateway.url, headers={"X-API-Key": key}, timeout=PATIENCE_S)
                for tenant, key in keys.items()
            }
            yield valkey, made
            for client in made.values():
                client.close()


def test_an_error_of_the_store_comes_as_soon(clients: tuple[ValkeyServer, dict[str, httpx.Client]]) -> None:
    valkey, made = clients

    def submit(tenant: str) -> tuple[int, float]:
        began = time.monotonic()
        return made[tenant].post("/v1/jobs", json=BODY).status_code, time.monotonic() - began

    for tenant in TENANTS:
        wait_until(lambda: submit(tenant)[0] == 202, "no submit is accepted")  # noqa: B023
    valkey.freeze()
    try:
        with ThreadPoolExecutor(len(TENANTS)) as threads:
            (rated, rated_s), (free, free_s) = threads.map(submit, TENANTS)
    finally:
        valkey.thaw()
    assert (rated, free) == (503, 503)
    assert rated_s < 1.5 * free_s
