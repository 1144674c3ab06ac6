"""Names, defaults and ranges of settings, which users rely on, and .env.example, which lists them all."""

import math
from pathlib import Path

import pytest

from contracts.logs.settings import LogSettings
from contracts.settings import Settings, SettingsError, StoreSettings
from deploy.env_example import GROUPS, render, variables
from deploy.local.settings import LocalSettings
from services.gateway.settings import GatewaySettings
from tests.support.paths import ROOT
from workers.runtime.settings import WorkerSettings

# Variable, group, field, default, lowest and highest number. Users rely on them in their deployments, so the changelog
# must name every change of this table.
NUMBERS = [
    ("TRIPTYCH_LEASE_S", StoreSettings, "lease_s", 15.0, 1, 600),
    ("TRIPTYCH_MAX_CRASHES", StoreSettings, "max_crashes", 2, 1, 20),
    ("TRIPTYCH_PORT", GatewaySettings, "port", 8080, 1, 65535),
    ("TRIPTYCH_GATEWAY_PROCESSES", GatewaySettings, "processes", None, 1, 64),
    ("TRIPTYCH_MAX_BODY_BYTES", GatewaySettings, "max_body_bytes", 8388608, 1024, 1073741824),
    ("TRIPTYCH_MAX_BODIES_BYTES", GatewaySettings, "max_bodies_bytes", 67108864, 65536, 68719476736),
    ("TRIPTYCH_BODY_TIMEOUT_S", GatewaySettings, "body_timeout_s", 30.0, 0.1, 600),
    ("TRIPTYCH_SEND_TIMEOUT_S", GatewaySettings, "send_timeout_s", 60.0, 1, 3600),
    ("TRIPTYCH_MAX_WAIT_S", GatewaySettings, "max_wait_s", 60.0, 0, 600),
    ("TRIPTYCH_DEADLINE_S", GatewaySettings, "deadline_s", 900.0, 1, 86400),
    ("TRIPTYCH_BULK_DEADLINE_S", GatewaySettings, "bulk_deadline_s", 86400.0, 1, 86400),
    ("TRIPTYCH_TIMEOUT_S", GatewaySettings, "timeout_s", 600.0, 1, 86400),
    ("TRIPTYCH_TTL_S", GatewaySettings, "ttl_s", 3600.0, 1, 604800),
    ("TRIPTYCH_DELIVERED_TTL_S", GatewaySettings, "delivered_ttl_s", 300.0, 1, 604800),
    ("TRIPTYCH_MAX_WAITING", GatewaySettings, "max_waiting", 200000, 1, 10**9),
    ("TRIPTYCH_MAX_ACTIVE", GatewaySettings, "max_active", 200000, 1, 10**9),
    ("TRIPTYCH_TENANT_MAX_BYTES", GatewaySettings, "tenant_max_bytes", 2**28, 2**20, 2**40),
    ("TRIPTYCH_TENANT_MAX_TOKENS", GatewaySettings, "tenant_max_tokens", 1000000, 1, 10**12),
    ("TRIPTYCH_TENANT_MAX_DEADLINE_S", GatewaySettings, "tenant_max_deadline_s", 86400.0, 1, 86400),
    ("TRIPTYCH_TENANT_MAX_TIMEOUT_S", GatewaySettings, "tenant_max_timeout_s", 86400.0, 1, 86400),
    ("TRIPTYCH_TENANT_MAX_TTL_S", GatewaySettings, "tenant_max_ttl_s", 604800.0, 1, 604800),
    ("TRIPTYCH_TENANT_REQUESTS_PER_MINUTE", GatewaySettings, "tenant_requests_per_minute", 0, 0, 10**9),
    ("TRIPTYCH_TENANT_WORK_PER_MINUTE", GatewaySettings, "tenant_work_per_minute", 0, 0, 10**9),
    ("TRIPTYCH_MAX_IDEMPOTENCY_KEYS", GatewaySettings, "max_idempotency_keys", 100000, 0, 10**9),
    ("TRIPTYCH_MAX_STREAMS", GatewaySettings, "max_streams", 500, 0, 100000),
    ("TRIPTYCH_MAX_TENANT_STREAMS", GatewaySettings, "max_tenant_streams", 100, 0, 100000),
    ("TRIPTYCH_MAX_CONNECTIONS", GatewaySettings, "max_connections", 2000, 10, 100000),
    ("TRIPTYCH_THREADS", WorkerSettings, "threads", None, 1, 512),
    ("TRIPTYCH_CONCURRENCY", WorkerSettings, "concurrency", 64, 1, 1024),
    ("TRIPTYCH_DRAIN_S", WorkerSettings, "drain_s", 25.0, 0, 3600),
    ("TRIPTYCH_MAX_MEMORY", WorkerSettings, "max_memory", None, 64, 1 << 30),
    ("TRIPTYCH_MAX_BATCH_TOKENS", WorkerSettings, "max_batch_tokens", None, 0, 1000000),
    ("TRIPTYCH_MAX_ROWS", WorkerSettings, "max_rows", 16, 1, 1024),
    ("TRIPTYCH_MAX_CACHE_TOKENS", WorkerSettings, "max_cache_tokens", 32768, 1, 100000000),
    ("TRIPTYCH_HARD_LIMIT_S", WorkerSettings, "hard_limit_s", 600.0, 1, 86400),
    ("TRIPTYCH_STALL_S", WorkerSettings, "stall_s", 30.0, 5, 3600),
    ("TRIPTYCH_RELOAD_S", WorkerSettings, "reload_s", 5.0, 0, 3600),
    ("TRIPTYCH_PORT", LocalSettings, "port", 8080, 0, 65535),
    ("TRIPTYCH_DRAIN_S", LocalSettings, "drain_s", 25.0, 0, 3600),
]
TEXTS = [
    ("TRIPTYCH_REDIS_URL", StoreSettings, "redis_url", "redis://127.0.0.1:6379/0"),
    ("TRIPTYCH_HOST", GatewaySettings, "host", "127.0.0.1"),
    ("TRIPTYCH_ALLOWED_HOSTS", GatewaySettings, "allowed_hosts", frozenset()),
    ("TRIPTYCH_ALLOW_OPEN", GatewaySettings, "allow_open", False),
    ("TRIPTYCH_DEFAULT_MODELS", GatewaySettings, "default_models", {}),
    ("TRIPTYCH_LOG", LogSettings, "log", "info"),
    ("TRIPTYCH_MODELS_DIR", WorkerSettings, "models_dir", (Path("onnx_models/packages"),)),
    ("TRIPTYCH_MODELS", WorkerSettings, "models", ()),
    ("TRIPTYCH_DEVICE", WorkerSettings, "device", "cpu"),
    ("TRIPTYCH_RUNTIME_DIR", WorkerSettings, "runtime_dir", None),
    ("TRIPTYCH_RUNTIME_DIR", LocalSettings, "runtime_dir", None),
    ("TRIPTYCH_HOST", LocalSettings, "host", "127.0.0.1"),
    ("TRIPTYCH_MODELS_DIR", LocalSettings, "models_dir", (Path("onnx_models/packages"),)),
    ("TRIPTYCH_MODELS", LocalSettings, "models", ()),
    ("TRIPTYCH_DATA", LocalSettings, "data", Path(".triptych").absolute()),
    ("TRIPTYCH_REDIS_URL", LocalSettings, "redis_url", ""),
    ("TRIPTYCH_APPENDFSYNC", LocalSettings, "appendfsync", "everysec"),
    ("TRIPTYCH_STORE_MAXMEMORY", LocalSettings, "store_maxmemory", "1gb"),
]


def test_no_setting_was_added_or_removed() -> None:
    listed = {(entry.name, group, field) for group in GROUPS.values() for field, entry in group.table().items()}
    assert listed == {row[:3] for row in [*NUMBERS, *TEXTS]}


@pytest.mark.parametrize(("name", "group", "field", "default"), [row[:4] for row in [*NUMBERS, *TEXTS]])
def test_the_defaults_have_not_changed(name: str, group: type[Settings], field: str, default: object) -> None:
    if name not in (
        "TRIPTYCH_GATEWAY_PROCESSES",
        "TRIPTYCH_THREADS",
        "TRIPTYCH_MAX_MEMORY",
    ):  # as much as this machine has
        value = getattr(group.read({}), field)
        assert value == default and type(value) is type(default)


@pytest.mark.parametrize(("name", "group", "field", "default", "least", "most"), NUMBERS)
def test_the_ranges_have_not_changed(
    name: str, group: type[Settings], field: str, default: object, least: float, most: float
) -> None:
    for bound in (least, most):
        assert getattr(group.read({name: str(bound)}), field) in {bound, bound or None}
    whole = not isinstance(default, float)
    below, above = (least - 1, most + 1) if whole else (math.nextafter(least, -1), math.nextafter(most, math.inf))
    for outside in (below, above):
        with pytest.raises(SettingsError, match=f"^{name}="):
            group.read({name: repr(outside)})
    if whole:
        with pytest.raises(SettingsError, match="whole number"):
            group.read({name: str(least + 0.5)})


@pytest.mark.parametrize(
    ("name", "group", "good", "bad"),
    [
        ("TRIPTYCH_DEVICE", WorkerSettings, ["cpu", "cuda"], ["CPU", "gpu"]),
        ("TRIPTYCH_APPENDFSYNC", LocalSettings, ["everysec", "always"], ["no", "Always"]),
        (
            "TRIPTYCH_LOG",
            LogSettings,
            ["DEBUG", "text", "json, error"],
            ["trace", "info,debug", "text,json", "info,", ","],
        ),
        ("TRIPTYCH_STORE_MAXMEMORY", LocalSettings, ["1gb", "500MB", "64kb", "1000000"], ["much", "1tb", "gb"]),
        ("TRIPTYCH_REDIS_URL", StoreSettings, ["redis://a", "rediss://a"], ["http://a", "redis+cluster://a"]),
    ],
)
def test_the_choices_have_not_changed(name: str, group: type[Settings], good: list[str], bad: list[str]) -> None:
    for text in good:
        group.read({name: text})
    for text in bad:
        with pytest.raises(SettingsError, match=f"^{name}"):
            group.read({name: text})


def test_the_defaults_in_the_example_are_those_of_the_settings() -> None:
    """To uncomment a line of .env.example changes nothing."""
    for group in GROUPS.values():
        written = {entry.name: entry.default for entry in group.table().values()}
        assert group.read(written) == group.read({}) or group is LocalSettings
    assert LocalSettings.read({"TRIPTYCH_DATA": ".triptych"}).data == LocalSettings.read({}).data


def test_the_example_file_is_rendered_from_the_table() -> None:
    assert (ROOT / ".env.example").read_text() == render(), "run `make env-example`"
    assert {entry.name for group in GROUPS.values() for entry in group.table().values()} == set(variables())
