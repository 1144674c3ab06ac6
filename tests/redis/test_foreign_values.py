"""Values of another version, or of nobody's making: they hide nothing else, and what a newer version set stays."""

import json
from typing import Any

import msgspec
import pytest

from contracts.errors import OutOfMemory
from contracts.limits import Meter, TenantLimits
from contracts.store.keys import PREFIX
from contracts.store.tenants.limits import LIMITS, Meters, StoredLimits
from contracts.store.tenants.usage import UsageReader
from services.gateway.auth.api_keys import KEYS, ApiKeys, id_of
from tests.redis.builders import TENANT, claimed
from tests.support.job_store import JobStore
from tests.support.store_time import begin_day, day_number, today

OUT_OF_RANGE = ('{"weight":-1}', '{"weight":1e300,"max_active":5}', '{"max_active":-5}', '{"max_deadline_s":1e300}')


@pytest.mark.parametrize("text", ['{"weight":"x"}', "7", "", "\x00", *OUT_OF_RANGE])
def test_limits_that_cannot_be_read_are_none(store: JobStore, text: str) -> None:
    limits = StoredLimits(store.client)
    store.client.hset(LIMITS, mapping={"acme": text, "other": '{"max_active":5}'})
    assert limits.of("acme") == TenantLimits()
    assert limits.all() == {"acme": TenantLimits(), "other": TenantLimits(max_active=5)}
    assert limits.change("acme", {"weight": 2.0}) == limits.of("acme") == TenantLimits(weight=2.0)


def test_limits_of_all_tenants_that_cannot_be_read_are_none(store: JobStore) -> None:
    limits = StoredLimits(store.client)
    store.client.set(LIMITS, "what is this")
    assert limits.of("acme") == TenantLimits() and limits.all() == {}
    assert limits.change("acme", {"weight": 2.0}) == TenantLimits(weight=2.0)
    assert limits.all() == {"acme": TenantLimits(weight=2.0)}


def test_limits_of_a_newer_version_stay(store: JobStore) -> None:
    limits = StoredLimits(store.client)
    store.client.hset(LIMITS, "acme", '{"max_active":5,"future":1}')
    assert limits.change("acme", {"max_active": 7, "weight": 2.0}) == TenantLimits(max_active=7, weight=2.0)
    limits.change("acme", {"max_active": None, "weight": None})
    assert json.loads(store.client.hget(LIMITS, "acme") or "") == {"future": 1}
    limits.change("other", {"weight": 2.0})
    limits.change("other", {"weight": None})
    assert not store.client.hexists(LIMITS, "other")


@pytest.mark.parametrize("text", ["garbage", "1 2", "a b c"])
def test_a_meter_that_cannot_be_read_is_empty(store: JobStore, text: str) -> None:
    meter = Meter("requests:tenant:acme", 60, 1.0)
    store.client.set(f"{PREFIX}rate:{meter.name}", text)
    assert [state.used for state in Meters(store.client).read((meter,), 0.0)] == [0.0]


def test_entries_that_cannot_be_read_do_not_hide_the_others(store: JobStore) -> None:
    begin_day(store.client)
    day = today(store.client)
    assert store.fail(claimed(store), OutOfMemory())
    name = store.client.hkeys(f"{PREFIX}ledger")[0]
    counts = store.client.hget(f"{PREFIX}ledger", name) or b""
    garbage = {b"x|y": b"1", b"": b"", b"\xff|a|b|c": counts, name + b"2": b"no numbers", name + b"3": counts + b" 99"}
    store.client.hset(f"{PREFIX}ledger", mapping=garbage)  # type: ignore[arg-type]
    store.client.hset(f"{PREFIX}usage:{day_number(store.client)}:{TENANT}", mapping={"nobody": "1", "k|m": "x"})
    reader = UsageReader(store.client)
    assert TENANT in reader.tenants(day)
    entries = list(reader.entries([TENANT], day, day))
    assert [entry.counts.failed for entry in entries] == [1, 1]


def test_a_key_that_cannot_be_read_is_none(store: JobStore) -> None:
    keys = ApiKeys(store.client)
    broken, whole = keys.create("acme"), keys.create("other")
    store.client.hset(KEYS, id_of(broken), '{"tenant":7}')
    assert (keys.tenant_of(broken), keys.tenant_of(whole)) == (None, "other")
    assert list(keys.all()) == [id_of(whole)]
    assert keys.set_rates(id_of(broken), {"requests_per_minute": 3}) is None


def test_a_key_of_a_newer_version_keeps_what_that_has_set(store: JobStore) -> None:
    keys = ApiKeys(store.client)
    key_id = id_of(keys.create("acme"))
    newer = json.loads(store.client.hget(KEYS, key_id) or "") | {"future": 1}
    store.client.hset(KEYS, key_id, json.dumps(newer))
    changed = keys.set_rates(key_id, {"requests_per_minute": 3})
    assert changed is not None and changed.requests_per_minute == 3 and keys.all()[key_id] == changed
    assert json.loads(store.client.hget(KEYS, key_id) or "")["future"] == 1


def test_a_key_that_is_revoked_meanwhile_stays_revoked(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, replace = ApiKeys(store.client), msgspec.structs.replace
    key = keys.create("acme")

    def revoke_first(*args: Any, **changes: Any) -> Any:
        keys.revoke(id_of(key))
        return replace(*args, **changes)

    monkeypatch.setattr(msgspec.structs, "replace", revoke_first)
    assert keys.set_rates(id_of(key), {"requests_per_minute": 3}) is None
    assert ApiKeys(store.client).tenant_of(key) is None
