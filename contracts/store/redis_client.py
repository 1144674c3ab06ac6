"""Connects to Redis, and checks whether the server is fit for this use."""

from collections.abc import Sequence
from typing import Protocol, cast

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

_OLDEST = (7, 0)
"""The first version whose scripts can say `allow-oom`."""
_FIXED_LUA = ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2))
"""First releases of each series that fix CVE-2025-49844, -46817, -46818 and -46819.

These are holes in the Lua engine: a client that may run scripts can take over a server without the fixes. This system
needs a server on which clients may run scripts."""


def connect(url: str, *, timeout_s: float, retries: int, max_connections: int = 64) -> "redis.Redis":
    """Return a client whose calls end within a bounded time, even when the server is frozen.

    Args:
        url: `redis://` or `rediss://`.
        timeout_s: longest wait for one reply. It is the only way to notice a server that is frozen.
        retries: further tries after a broken connection. This is safe because scripts may be sent twice.
        max_connections: pool size; a caller waits up to half a second for a free connection.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        # While the server is frozen all connections are in use. Callers then fail soon, instead of queueing for one.
        timeout=0.5,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(1.0, timeout_s),
        # A health check is one more round trip, and finds nothing that the retry below does not handle.
        health_check_interval=0,
        # By default redis-py also retries after a timeout, which would double the wait for a frozen server.
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries, supported_errors=(redis.ConnectionError,)),
        # BusyLoadingError: after a restart, Redis refuses every command until it has read its data from disk.
        retry_on_error=[redis.ConnectionError, redis.BusyLoadingError],
    )
    return redis.Redis(connection_pool=pool)


class _Reads(Protocol):
    """The reading commands that this package uses, with the types that a client without decoding returns.

    redis-py declares every command for all kinds of clients at once (bytes or str, plain or awaitable).
    """

    def get(self, name: str) -> bytes | None: ...
    def mget(self, keys: list[str]) -> list[bytes | None]: ...
    def hget(self, name: str, key: str) -> bytes | None: ...
    def hmget(self, name: str, keys: Sequence[str]) -> list[bytes | None]: ...
    def hkeys(self, name: str) -> list[bytes]: ...
    def hgetall(self, name: str) -> dict[bytes, bytes]: ...
    def smembers(self, name: str) -> set[bytes]: ...
    def zcard(self, name: str) -> int: ...
    def zrank(self, name: str, value: str) -> int | None: ...
    def zrange(self, name: str, start: int, end: int, *, withscores: bool) -> list[tuple[bytes, float]]: ...
    def zrangebyscore(self, name: str, min: int, max: str) -> list[bytes]: ...
    def zrevrangebyscore(
        self, name: str, max: str, min: str, *, start: int, num: int, withscores: bool
    ) -> list[tuple[bytes, float]]: ...
    def time(self) -> tuple[int, int]: ...


def reads(client: "redis.Redis") -> _Reads:
    """Return the same client with exact types."""
    return cast(_Reads, client)


def server_warnings(client: "redis.Redis") -> list[str]:
    """Return what makes the server unfit for this use, one sentence each."""
    info = client.info()
    found = []
    version = _version(info)
    if version < _OLDEST:
        found.append(f"This server is older than {'.'.join(map(str, _OLDEST))} and can't run the job store's scripts.")
    if "valkey_version" not in info and _has_lua_holes(version):
        found.append(
            f"Redis {'.'.join(map(str, version))} has known vulnerabilities in its Lua engine (CVE-2025-49844); "
            "use Valkey, or Redis >= 7.2.11, 7.4.6, 8.0.4 or 8.2.2."
        )
    try:
        config = client.config_get("maxmemory-policy", "appendonly")
    except redis.ResponseError:
        return found  # managed services often forbid CONFIG
    if config.get("maxmemory-policy", "noeviction") != "noeviction":
        found.append(f"maxmemory-policy is {config['maxmemory-policy']}: Redis may delete queued jobs. Set noeviction.")
    if config.get("appendonly", "yes") != "yes":
        found.append("appendonly is off: accepted jobs do not survive a restart of Redis.")
    return found


def _version(info: dict[str, str]) -> tuple[int, ...]:
    # Valkey reports a redis_version, too. It is always 7.2.4, for compatibility, and says nothing about Valkey's age.
    text = str(info.get("valkey_version") or info["redis_version"])
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def _has_lua_holes(version: tuple[int, ...]) -> bool:
    for fixed in _FIXED_LUA:
        if version[:2] == fixed[:2]:
            return version < fixed
    return version < _FIXED_LUA[-1]
