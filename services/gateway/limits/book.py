"""The limits that hold for a request: of its tenant, as an operator or the settings say, and of its key."""

import time
from dataclasses import dataclass
from functools import lru_cache, partial

import msgspec
import redis

from contracts.limits import Meter, TenantLimits
from contracts.store.tenants.limits import StoredLimits
from services.gateway.auth.api_keys import ApiKeys
from services.gateway.tenant_settings import TenantSettings

CACHE_S = 5.0
"""How long a gateway may still apply limits that were changed."""
_MAX_CACHED = 10_000
_NEVER = (float("-inf"), TenantLimits())


@dataclass(frozen=True)
class Limits:
    """Limits of a tenant and one of its keys. A rate of 0 is none."""

    tenant: str
    weight: float
    max_tokens: int
    max_bytes: int
    max_deadline_s: float
    max_timeout_s: float
    max_ttl_s: float
    max_active: int
    requests_per_minute: int
    work_per_minute: int
    key_id: str = ""
    key_requests_per_minute: int = 0
    key_work_per_minute: int = 0
    own: frozenset[str] = frozenset()
    """Names of those that an operator has set for the tenant alone."""

    def meters(self, work_s: float) -> tuple[Meter, ...]:
        """Return the rates that apply to a request of so much work."""
        tenant, key = f"tenant:{self.tenant}", f"key:{self.key_id}"
        rates = (
            ("requests", tenant, self.requests_per_minute, 1.0),
            ("work", tenant, self.work_per_minute, work_s),
            ("requests", key, self.key_requests_per_minute, 1.0),
            ("work", key, self.key_work_per_minute, work_s),
        )
        # Most tenants have none.
        return tuple(Meter(f"{kind}:{whose}", quota, cost) for kind, whose, quota, cost in rates if quota)


class LimitBook:
    """Finds the limits of requests. What operators have set is read once in ``CACHE_S`` for each tenant."""

    def __init__(self, settings: TenantSettings, stored: StoredLimits, keys: ApiKeys) -> None:
        self._effective = lru_cache(_MAX_CACHED)(partial(effective, settings=settings))
        self._stored = stored
        self._keys = keys
        self._cached: dict[str, tuple[float, TenantLimits]] = {}

    def of(self, tenant: str, key_id: str) -> Limits:
        """Return the limits of a request whose key was checked. Raises ``redis.RedisError``."""
        key = self._keys.verified(key_id)
        return self._effective(
            tenant,
            self._of_tenant(tenant),
            key_id=key_id,
            key_requests_per_minute=key.requests_per_minute if key else 0,
            key_work_per_minute=key.work_per_minute if key else 0,
        )

    def _of_tenant(self, tenant: str) -> TenantLimits:
        read_at, known = self._cached.get(tenant, _NEVER)
        now = time.monotonic()
        if now - read_at < CACHE_S:
            return known
        if tenant in self._cached:
            self._cached[tenant] = now, known  # for other requests, which need not all read and wait meanwhile
        try:
            found = self._stored.of(tenant)
        except redis.RedisError:
            self._cached.pop(tenant, None)  # the next request tries again
            raise
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        self._cached[tenant] = now, found
        return found


def effective(
    tenant: str,
    limits: TenantLimits,
    settings: TenantSettings,
    *,
    key_id: str = "",
    key_requests_per_minute: int = 0,
    key_work_per_minute: int = 0,
) -> Limits:
    """Return what is set for a tenant, and where nothing is, what the settings say."""

    def either(value: float | None, default: float) -> float:
        return default if value is None else value

    return Limits(
        tenant=tenant,
        weight=either(limits.weight, 1.0),
        max_tokens=int(either(limits.max_tokens, settings.tenant_max_tokens)),
        max_bytes=int(either(limits.max_bytes, settings.tenant_max_bytes)),
        max_deadline_s=either(limits.max_deadline_s, settings.tenant_max_deadline_s),
        max_timeout_s=either(limits.max_timeout_s, settings.tenant_max_timeout_s),
        max_ttl_s=either(limits.max_ttl_s, settings.tenant_max_ttl_s),
        max_active=int(either(limits.max_active, settings.max_active)),
        requests_per_minute=int(either(limits.requests_per_minute, settings.tenant_requests_per_minute)),
        work_per_minute=int(either(limits.work_per_minute, settings.tenant_work_per_minute)),
        key_id=key_id,
        key_requests_per_minute=key_requests_per_minute,
        key_work_per_minute=key_work_per_minute,
        own=frozenset(name for name, value in msgspec.structs.asdict(limits).items() if value is not None),
    )
