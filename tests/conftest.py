"""Fixtures that tests of every folder may use, and hooks of pytest and its plugins."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.scheduling import Scheduler, rank
from tests.support.valkey import ValkeyServer, running_valkey

if find_spec("hypothesis"):  # which .venv-export lacks
    from hypothesis import HealthCheck, settings

    # An example may take its time on a busy machine; the same examples everywhere, so that a failure can be repeated.
    settings.register_profile(
        "any machine", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any machine")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Called by pytest-xdist, once it is told to run several processes."""
    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=rank)


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey server of this test alone, free to be killed, frozen and started again."""
    with running_valkey(tmp_path / "valkey") as server:
        yield server
