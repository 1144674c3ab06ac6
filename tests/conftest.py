"""Fixtures that tests of every folder may use, and hooks of pytest and its plugins."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.exports.fixtures import export_process, export_python, exported, run, sources
from tests.scheduling import Scheduler, rank
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S

__all__ = ["export_process", "export_python", "exported", "run", "sources"]  # one of each for exports and parity

if find_spec("hypothesis"):  # which .venv-export lacks
    from hypothesis import HealthCheck, settings

    # No deadlines, because the machine may be busy. The same examples everywhere, so that failures are reproducible.
    settings.register_profile(
        "any machine", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any machine")

if find_spec("httpx"):  # which .venv-export lacks
    from httpx._config import DEFAULT_TIMEOUT_CONFIG

    # What a request may take of which a test says nothing: httpx's five seconds are not enough on a busy machine.
    for name in ("connect", "read", "write", "pool"):
        setattr(DEFAULT_TIMEOUT_CONFIG, name, PATIENCE_S)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Return the scheduler of a run with several processes. pytest-xdist calls this hook."""
    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort tests, so that the folders that take longest begin first."""
    items.sort(key=rank)


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey server for one test, which may kill, freeze and restart it."""
    with running_valkey(tmp_path / "valkey") as server:
        yield server
