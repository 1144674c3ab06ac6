"""Limits of tenants and keys: what operators have set, and what `submit` checks. Step 2 on the path of a job.

Operators set limits for one tenant in the store; where they have set none, those of the gateway's settings hold. A key
has rates of its own, besides those of its tenant.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
import redis

from contracts.limits import Meter, MeterState, TenantLimits
from contracts.store.keys import PREFIX
from contracts.store.records import is_of_wrong_type
from contracts.store.redis_client import reads

logger = logging.getLogger(__name__)
T = TypeVar("T")
LIMITS = PREFIX + "limits"


class StoredLimits:
    """Reads and writes the limits of tenants. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def of(self, tenant: str) -> TenantLimits:
        """Return what is set for a tenant."""
        return _limits_from(tenant, self._stored(lambda: reads(self._client).hget(LIMITS, tenant)))

    def all(self) -> dict[str, TenantLimits]:
        """Return what is set for each tenant that has limits of its own."""
        rows = self._stored(lambda: reads(self._client).hgetall(LIMITS)) or {}
        names = {tenant.decode(errors="replace"): text for tenant, text in sorted(rows.items())}
        return {tenant: _limits_from(tenant, text) for tenant, text in names.items()}

    def change(self, tenant: str, changes: Mapping[str, float | None]) -> TenantLimits:
        """Change limits of a tenant, given by name, and return all that are set. None unsets one.

        What a newer version has set stays.
        """
        changed: list[TenantLimits] = []
        if self._stored(lambda: reads(self._client).hgetall(LIMITS)) is None:
            self._client.unlink(LIMITS)

        def step(pipeline: "redis.client.Pipeline") -> None:
            document = {**_document(reads(pipeline).hget(LIMITS, tenant)), **changes}
            text = msgspec.json.encode({name: value for name, value in document.items() if value is not None})
            changed[:] = [_limits_from(tenant, text)]
            pipeline.multi()
            if text == b"{}":
                pipeline.hdel(LIMITS, tenant)
            else:
                pipeline.hset(LIMITS, tenant, text)

        self._client.transaction(step, LIMITS)
        return changed[0]

    @staticmethod
    def _stored(read: Callable[[], T]) -> T | None:
        """Return what a call reads; None if something else is stored where limits are."""
        try:
            return read()
        except redis.ResponseError as error:
            if not is_of_wrong_type(error):
                raise
            logger.warning("limits of tenants can't be read", extra={"error": str(error)})
            return None


def _limits_from(tenant: str, text: bytes | None) -> TenantLimits:
    """Return what is stored for a tenant; nothing if it can't be read: of another version, say."""
    try:
        return TenantLimits() if text is None else msgspec.json.decode(text, type=TenantLimits)
    except msgspec.DecodeError as error:
        logger.warning("limits of a tenant can't be read", extra={"tenant": tenant, "error": str(error)})
        return TenantLimits()


def _document(text: bytes | None) -> dict[str, Any]:
    """Return all that is stored for a tenant; nothing if it can't be read, or nobody could change it."""
    try:
        msgspec.json.decode(text or b"{}", type=TenantLimits)
        return msgspec.json.decode(text or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def as_argument(meters: tuple[Meter, ...]) -> bytes:
    """Return meters as the script takes them."""
    return msgspec.json.encode(meters) if meters else b""


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
    try:
        used, at, quota = map(float, value.split())
    except ValueError:  # as empty as for the script
        return 0.0
    return max(0.0, used - max(0.0, store_time - at) * quota / 60) if at <= store_time + 1 else 0.0
