"""Warnings about a server, by its INFO and its configuration."""

from typing import Any

import pytest
import redis

from contracts.store.redis_client import server_warnings


class FakeServer:
    """A server with given answers to INFO and CONFIG GET."""

    def __init__(self, info: dict[str, Any], config: dict[str, str] | None) -> None:
        self._info = info
        self._config = config

    def info(self) -> dict[str, Any]:
        return self._info

    def config_get(self, *names: str) -> dict[str, str]:
        if self._config is None:
            raise redis.ResponseError("unknown command 'CONFIG'")
        return {name: value for name, value in self._config.items() if name in names}


SAFE = {"maxmemory-policy": "noeviction", "appendonly": "yes"}


def warnings(info: dict[str, Any], config: dict[str, str] | None = SAFE) -> list[str]:
    return server_warnings(FakeServer(info, config))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "version",
    ["6.2.19", "7.0.15", "7.2.4", "7.2.10", "7.4.5", "8.0.3", "8.2.1", "5.0.14", "8.0-rc1"],
)
def test_a_redis_with_known_vulnerabilities_in_lua_causes_a_warning(version: str) -> None:
    found = warnings({"redis_version": version})
    assert any("CVE-2025-49844" in warning for warning in found)


@pytest.mark.parametrize("version", ["7.2.11", "7.2.12", "7.4.6", "8.0.4", "8.2.2", "8.4.0", "9.0.0", "10.1.0"])
def test_a_fixed_redis_causes_no_warning(version: str) -> None:
    assert warnings({"redis_version": version}) == []


def test_valkeys_own_version_counts_and_not_its_compatible_redis_version() -> None:
    assert warnings({"redis_version": "7.2.4", "valkey_version": "9.0.1"}) == []


@pytest.mark.parametrize("version", ["5.0.14", "6.2.20"])
def test_a_server_too_old_for_the_scripts_causes_a_warning(version: str) -> None:
    assert any("older than 7.0" in warning for warning in warnings({"redis_version": version}))


def test_eviction_causes_a_warning() -> None:
    (warning,) = warnings({"redis_version": "8.2.2"}, SAFE | {"maxmemory-policy": "allkeys-lru"})
    assert "allkeys-lru" in warning


def test_missing_persistence_causes_a_warning() -> None:
    (warning,) = warnings({"redis_version": "8.2.2"}, SAFE | {"appendonly": "no"})
    assert "appendonly" in warning


def test_a_hidden_configuration_causes_no_warning() -> None:
    assert warnings({"redis_version": "8.2.2"}, None) == []
