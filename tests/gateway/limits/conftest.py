"""A gateway with keys of three tenants. Its worker serves all but one model, so that jobs of that one wait."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.store.tenants.limits import StoredLimits
from services.gateway.auth.api_keys import ApiKeys
from tests.gateway.fakes.worker import announce, running_worker, store_of
from tests.gateway.gateway_process import running_gateway
from tests.support.job_store import JobStore
from tests.support.store_time import begin_day
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Deployment:
    """A running gateway, its keys and its store."""

    url: str
    store_url: str
    store: JobStore
    keys: ApiKeys

    def limit(self, tenant: str, **limits: Any) -> None:
        """Set the limits of a tenant."""
        StoredLimits(self.store.client).change(tenant, limits)

    def client(self, key: str) -> httpx.Client:
        """Return a client with a key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S)


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A gateway that needs keys."""
    folder: Path = tmp_path_factory.mktemp("limits")
    with running_valkey(folder / "valkey") as valkey:
        store = store_of(valkey.url, PATIENCE_S)
        begin_day(store.client)
        announce(valkey.url)
        keys = ApiKeys(store.client)
        keys.create("first")
        with running_worker(valkey.url), running_gateway(valkey.url, folder) as gateway:
            yield Deployment(gateway.url, valkey.url, store, keys)
        store.client.close()


@pytest.fixture
def client_of(deployment: Deployment) -> Iterator[Callable[..., tuple[httpx.Client, str]]]:
    """Return a client of a new tenant, and its name: no gateway has read other limits of it. Options are of its key."""
    with ExitStack() as clients:

        def client(limits: dict[str, Any], **options: Any) -> tuple[httpx.Client, str]:
            tenant = f"tenant{next(_NUMBERS)}"
            deployment.limit(tenant, **limits)
            key = deployment.keys.create(tenant, **options)
            return clients.enter_context(deployment.client(key)), tenant

        yield client
