"""Fixtures that tests of every folder may use, and how tests are spread over the processes of pytest-xdist."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.valkey import ValkeyServer, running_valkey

if find_spec("hypothesis"):  # which .venv-export lacks
    from hypothesis import HealthCheck, settings

    # An example may take its time on a busy machine; the same examples everywhere, so that a failure can be repeated.
    settings.register_profile(
        "any machine", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any machine")

EXPORT_FIXTURES = {"export_python", "run", "sources", "exported"}
LONGEST_FIRST = ("models", "parity", "faults", "e2e", "deploy", "gateway")
"""Folders whose files take longest. They begin first, so that no process ends long after the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the export environment, and those that one process must run because they share fixtures.

    Tests of a file share what the file started. Tests with exported models share these across files. Tests marked
    ``spread`` share nothing.
    """
    for item in items:
        if EXPORT_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("export")
            item.add_marker(pytest.mark.xdist_group("exports"))
        elif item.get_closest_marker("spread") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = Path(item.nodeid).parts[1]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey server of this test alone, free to be killed, frozen and started again."""
    with running_valkey(tmp_path / "valkey") as server:
        yield server
