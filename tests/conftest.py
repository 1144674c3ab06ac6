"""Fixtures that tests of every folder may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey server of this test alone, free to be killed, frozen and started again."""
    with running_valkey(tmp_path / "valkey") as server:
        yield server
