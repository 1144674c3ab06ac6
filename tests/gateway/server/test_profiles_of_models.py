"""A gateway hears of a model's first profile within a second, and of later ones within some more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.price.profile import ModelProfile
from contracts.store.profiles import Profiles
from services.gateway.monitoring import monitor as module
from services.gateway.monitoring.monitor import Monitor
from tests.gateway.fakes.worker import EMBED, UNSERVED, announce, store_of
from tests.support.job_store import JobStore
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with running_valkey(tmp_path / "valkey") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url, PATIENCE_S)
        yield store
        store.client.close()


def test_first_profiles_are_read_at_once_and_others_now_and_then(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, profiles = Monitor(store.client, on_loss=lambda: None), Profiles(store.client)

    def row_s(model: str) -> float | None:
        monitor.refresh()
        assert monitor.store_answers
        profile = monitor.loads.of(model).profile
        return profile.row_s if profile else None

    profiles.write("w", 1.0, {EMBED: ModelProfile(row_s=1.0)})
    assert (row_s(EMBED), row_s(UNSERVED)) == (1.0, None)
    monkeypatch.setattr(module, "PROFILES_PERIOD_S", float("inf"))
    profiles.write("w", 1.0, {EMBED: ModelProfile(row_s=2.0), UNSERVED: ModelProfile(row_s=3.0)})
    assert (row_s(EMBED), row_s(UNSERVED)) == (1.0, 3.0)
    monkeypatch.setattr(module, "PROFILES_PERIOD_S", 0.0)
    assert (row_s(EMBED), row_s(UNSERVED)) == (2.0, 3.0)


def test_what_did_not_change_is_not_read_each_second(store: JobStore) -> None:
    monitor = Monitor(store.client, on_loss=lambda: None)
    Profiles(store.client).write("w", 1.0, {model: ModelProfile(row_s=1.0) for model in _models(monitor)})
    monitor.refresh()
    store.client.config_resetstat()
    for _ in range(3):
        monitor.refresh()
    num_read = store.client.info("commandstats")["cmdstat_hgetall"]["calls"]
    # Of each model the work that waits, besides default models and what was served; a slow machine may read all again.
    assert num_read <= 3 * (len(monitor.models) + 2) + len(monitor.models)


def _models(monitor: Monitor) -> list[str]:
    monitor.refresh()
    return list(monitor.models)
