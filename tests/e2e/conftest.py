"""Fixtures that tests of several workers use."""

from collections.abc import Iterator

import pytest

from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey server that all tests of a file share."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server
