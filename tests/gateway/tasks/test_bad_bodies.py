"""Bad bodies are refused with a clear 4xx that names the field, and none of them reaches the store."""

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.bad_bodies import ANY, GOOD, BadBody, every_bad_body
from tests.gateway.fakes.worker import announce, store_of
from tests.gateway.gateway_process import running_gateway
from tests.support.job_store import JobStore
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S

BODIES = list(every_bad_body())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobStore]:
    """A store of this module alone, in which no job may ever be."""
    with running_valkey(tmp_path_factory.mktemp("bad") / "valkey") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url)
        yield store
        store.client.close()


@pytest.fixture(scope="module")
def client(store: JobStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway on that store, which keeps its connection whatever is refused."""
    options = store.client.connection_pool.connection_kwargs
    url = f"redis://{options['host']}:{options['port']}/0"
    with (
        running_gateway(url, tmp_path_factory.mktemp("bad-gateway")) as gateway,
        httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client,
    ):
        yield client


def test_there_are_enough_bad_bodies() -> None:
    assert len(BODIES) >= 300
    assert {body.path for body in BODIES} == set(GOOD)


@pytest.mark.parametrize("bad", BODIES, ids=lambda bad: f"{bad.path} {bad.name}"[:60])
def test_a_bad_body_is_refused_by_name(client: httpx.Client, bad: BadBody) -> None:
    headers = {"Content-Type": bad.content_type or "", "Content-Encoding": bad.encoding or ""}
    answer = client.post(bad.path, content=bad.raw, headers={name: text for name, text in headers.items() if text})
    assert answer.status_code == bad.status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and error["code"] and error["type"]
    assert len(answer.content) < 1000
    if bad.param is not ANY:
        assert error["param"] == bad.param, error


def test_afterwards_the_store_is_empty_and_the_gateway_ready(store: JobStore, client: httpx.Client) -> None:
    assert store.num_live() == 0
    keys = {key.decode() for key in store.client.scan_iter("triptych*")}
    # Also the keys of the monitor and the reaper, and what is recorded of models.
    assert {key for key in keys if not key.startswith("triptych:model")} <= {
        "triptych:default_models",
        "triptych:probe",
        "triptych:reaped_at",
    }
    assert client.get("/readyz").status_code == 200
