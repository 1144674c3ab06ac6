"""Limits of tenants and keys: what operators have set, and what `submit` checks. Step 2 on the path of a job.

Operators set limits for one tenant in the store; where they have set none, those of the gateway's settings hold. A key
has rates of its own, besides those of its tenant.
"""

from typing import Any, NamedTuple

import msgspec
import redis

from contracts.store.keys import PREFIX
from contracts.store.redis_client import reads

LIMITS = PREFIX + "limits"
NO_LIMIT = 2**53
"""Of what has no limit: the largest number that the scripts hold exactly."""


class TenantLimits(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an operator has set for one tenant; None where the settings hold. Rates are a minute, and 0 is none."""

    weight: float | None = None
    max_tokens: int | None = None
    max_bytes: int | None = None
    max_deadline_s: float | None = None
    max_timeout_s: float | None = None
    max_ttl_s: float | None = None
    max_active: int | None = None
    requests_per_minute: int | None = None
    work_per_minute: int | None = None


SETTINGS = {
    "max_tokens": "TRIPTYCH_TENANT_MAX_TOKENS",
    "max_bytes": "TRIPTYCH_TENANT_MAX_BYTES",
    "max_deadline_s": "TRIPTYCH_TENANT_MAX_DEADLINE_S",
    "max_timeout_s": "TRIPTYCH_TENANT_MAX_TIMEOUT_S",
    "max_ttl_s": "TRIPTYCH_TENANT_MAX_TTL_S",
    "max_active": "TRIPTYCH_MAX_ACTIVE",
    "requests_per_minute": "TRIPTYCH_TENANT_REQUESTS_PER_MINUTE",
    "work_per_minute": "TRIPTYCH_TENANT_WORK_PER_MINUTE",
}
"""Of the gateway: limits of tenants for which an operator has set none."""


def how_to_set(limit: str, tenant: str) -> str:
    """Return where an operator sets a limit, for errors."""
    return f"{SETTINGS[limit]} or 'keys limits --tenant {tenant}'"


class StoredLimits:
    """Reads and writes the limits of tenants. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def of(self, tenant: str) -> TenantLimits:
        """Return what is set for a tenant."""
        text = reads(self._client).hget(LIMITS, tenant)
        return TenantLimits() if text is None else msgspec.json.decode(text, type=TenantLimits)

    def all(self) -> dict[str, TenantLimits]:
        """Return what is set for each tenant that has limits of its own."""
        rows = reads(self._client).hgetall(LIMITS)
        return {tenant.decode(): msgspec.json.decode(text, type=TenantLimits) for tenant, text in sorted(rows.items())}

    def set(self, tenant: str, limits: TenantLimits) -> None:
        """Replace what is set for a tenant."""
        if limits == TenantLimits():
            self._client.hdel(LIMITS, tenant)
        else:
            self._client.hset(LIMITS, tenant, msgspec.json.encode(limits))


class Meter(NamedTuple):
    """A rate that applies to a request, and what the request costs of it."""

    name: str
    """``requests`` or ``work``, then ``tenant`` or ``key`` and its name, with colons between them."""
    quota: int
    """A minute. As much may be used at once after a minute without requests."""
    cost: float

    @property
    def kind(self) -> str:
        """``requests`` or ``work``."""
        return self.name.split(":")[0]

    @property
    def is_of_key(self) -> bool:
        """Whether it is a rate of the key; else it is one of the tenant."""
        return self.name.split(":")[1] == "key"

    @property
    def words(self) -> str:
        """The rate with its value, and where it is set."""
        limit, owner, name = f"{self.kind}_per_minute", *self.name.split(":")[1:]
        place = how_to_set(limit, name) if owner == "tenant" else f"'keys limits --key {name}'"
        return f"{limit} of your {owner} is {self.quota} (set by {place})"


class MeterState(NamedTuple):
    """A rate at some time: what is used of its quota. That drains evenly, all of the quota in a minute."""

    meter: Meter
    used: float

    @property
    def wait_s(self) -> float:
        """Seconds until the request of the meter fits, as in lua/common/limits.lua."""
        meter = self.meter
        excess = self.used + min(meter.cost, meter.quota) - meter.quota
        return excess * 60 / meter.quota if excess > 1e-9 * meter.quota else 0.0


def as_argument(max_active: int, max_bytes: int, meters: tuple[Meter, ...]) -> bytes:
    """Return limits as the script takes them."""
    return msgspec.json.encode({"max_active": max_active, "max_bytes": max_bytes, "meters": meters})


def states_from(meters: tuple[Meter, ...], reply: bytes) -> list[MeterState]:
    """Return what the script has replied of meters."""
    return [MeterState(meter, float(used)) for meter, used in zip(meters, reply.split(), strict=True)]


class Meters:
    """Reads meters without a request, for answers that have not come as far as the store."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def read(self, meters: tuple[Meter, ...], store_time: float) -> list[MeterState]:
        """Return the states of meters at the store's time, which may be an estimate."""
        values: list[Any] = reads(self._client).mget([f"{PREFIX}rate:{meter.name}" for meter in meters])
        return [MeterState(meter, _used(value, store_time)) for meter, value in zip(meters, values, strict=True)]


def _used(value: bytes | None, store_time: float) -> float:
    if value is None:
        return 0.0
    used, at, quota = map(float, value.split())
    return max(0.0, used - max(0.0, store_time - at) * quota / 60)
