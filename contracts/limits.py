"""Limits of tenants and keys: their names, the settings that hold where an operator has set none, and rates.

Pure data and functions; `contracts.store.tenants.limits` keeps and applies them.
"""

from collections.abc import Collection
from typing import Annotated, NamedTuple

import msgspec

RECORD_BYTES = 1024
"""What a job counts besides its request or output, as in lua/common/held.lua."""
NO_LIMIT = 2**53
"""Of what has no limit: the largest number that the scripts hold exactly."""


_Bytes = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
_Tokens = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
_Jobs = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
_Time = Annotated[float, msgspec.Meta(ge=1, le=86_400)]
_Ttl = Annotated[float, msgspec.Meta(ge=1, le=604_800)]
_Rate = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class TenantLimits(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an operator has set for one tenant; None where the settings hold. Rates are a minute, and 0 is none.

    Numbers below 0, or above the range of the settings, can't be read: nobody has set them.
    """

    weight: Annotated[float, msgspec.Meta(ge=0.01, le=100)] | None = None
    max_tokens: _Tokens | None = None
    max_bytes: _Bytes | None = None
    max_deadline_s: _Time | None = None
    max_timeout_s: _Time | None = None
    max_ttl_s: _Ttl | None = None
    max_active: _Jobs | None = None
    requests_per_minute: _Rate | None = None
    work_per_minute: _Rate | None = None


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


def set_by(limit: str, tenant: str, own: Collection[str]) -> str:
    """Return what has set a limit that holds for a tenant, for errors; ``own`` are those set for this tenant alone."""
    return f"'keys limits --tenant {tenant}'" if limit in own else SETTINGS[limit]


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

    def words(self, own: Collection[str]) -> str:
        """Return the rate with its value, and what has set it; ``own`` as for ``set_by``."""
        limit, owner, name = f"{self.kind}_per_minute", *self.name.split(":")[1:]
        place = set_by(limit, name, own) if owner == "tenant" else f"'keys limits --key {name}'"
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
