"""Creates, lists, revokes and looks up API keys. Only a hash of a key's secret is stored.

A key is ``tt_<key id>_<secret>``; the key id finds the hash. The secret has 256 random bits, so it can't be guessed
from a plain SHA-256, and the slow hashes that passwords need would cost each request without a gain. Redis hash
``triptych:api_keys``: key id -> JSON of ``StoredKey``; it has no TTL, its owner revokes keys.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import redis

from contracts.store.keys import PREFIX
from contracts.store.redis_client import reads

logger = logging.getLogger(__name__)
KEYS = PREFIX + "api_keys"
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
CACHE_S = 5.0
"""How long a gateway may still accept a key that was revoked."""
_KEY = re.compile(r"tt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class StoredKey(msgspec.Struct, frozen=True):
    """What is stored for a key: the hash of its secret, the tenant that owns it, and what it may do."""

    sha256: str
    tenant: str
    created_at: str
    name: str = ""
    admin: bool = False
    """Whether it sees the usage of all tenants."""
    requests_per_minute: int = 0
    """Rates of this key, besides those of its tenant; 0 is none."""
    work_per_minute: int = 0


class ApiKeys:
    """Reads and writes the keys. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._verified: dict[str, tuple[float, StoredKey]] = {}

    def create(self, tenant: str, name: str = "", *, admin: bool = False, **rates: int) -> str:
        """Create a key for a tenant and return it. It can't be read again later.

        ``admin`` and ``rates`` are fields of ``StoredKey``.
        """
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        created_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        stored = StoredKey(_hash(secret), tenant, created_at, name, admin, **rates)
        self._client.hset(KEYS, key_id, msgspec.json.encode(stored))
        return f"tt_{key_id}_{secret}"

    def all(self) -> dict[str, StoredKey]:
        """Return every key by its id."""
        rows = reads(self._client).hgetall(KEYS)
        keys = {key_id.decode(errors="replace"): text for key_id, text in sorted(rows.items())}
        found = {key_id: _key_from(key_id, text) for key_id, text in keys.items()}
        return {key_id: key for key_id, key in found.items() if key is not None}

    def set_rates(self, key_id: str, rates: Mapping[str, int]) -> StoredKey | None:
        """Change rates of a key, given by the names of their fields, and return it; None if no key has this id."""
        changed: list[StoredKey | None] = []

        def step(pipeline: "redis.client.Pipeline") -> None:
            text = reads(pipeline).hget(KEYS, key_id)
            if (key := _key_from(key_id, text)) is not None:
                # Not of `key`, which lacks what a newer version has set.
                text = msgspec.json.encode(msgspec.json.decode(text or b"{}") | dict(rates))
                key = msgspec.structs.replace(key, **rates)
            changed[:] = [key]
            pipeline.multi()
            if key is not None and rates:
                pipeline.hset(KEYS, key_id, text or b"")

        # Nothing may come in between, or a key that is revoked now would work again.
        self._client.transaction(step, KEYS)
        return changed[0]

    def verified(self, key_id: str) -> StoredKey | None:
        """Return a key by which a request was let in, without a call to the store; None for others."""
        found = self._verified.get(key_id)
        return found[1] if found else None

    def revoke(self, key_id: str) -> bool:
        """Remove a key; return False if no key has this id."""
        return bool(self._client.hdel(KEYS, key_id))

    def count(self) -> int:
        """Return how many keys there are."""
        return int(self._client.hlen(KEYS))

    def tenant_of(self, key: str) -> str | None:
        """Return the tenant that owns a key, or None for an invalid key."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        key_id, hashed = match[1], _hash(match[2])
        # Cached, because every request would cost a round trip more; that is why revoking takes `CACHE_S`.
        read_at, known = self._verified.get(key_id, (float("-inf"), _NOBODY))
        # compare_digest takes the same time however many characters are equal.
        if hmac.compare_digest(hashed, known.sha256) and time.monotonic() - read_at < CACHE_S:
            return known.tenant
        # What is refused has cost the same work, whether its id exists or not: otherwise time would tell which ids do.
        stored = _key_from(key_id, reads(self._client).hget(KEYS, key_id) or _NOBODY_TEXT) or _NOBODY
        if not hmac.compare_digest(hashed, stored.sha256):
            if stored != known:
                self._verified.pop(key_id, None)  # revoked
            return None
        # Only keys with the right secret are cached, so a client that guesses can't fill the memory.
        self._verified[key_id] = (time.monotonic(), stored)
        return stored.tenant


def id_of(key: str) -> str:
    """Return the id that a key of the right form has in it."""
    match = _KEY.fullmatch(key)
    return match[1] if match else ""


def _key_from(key_id: str, text: bytes | None) -> StoredKey | None:
    """Return what is stored for a key; None if nothing is, or if it can't be read."""
    try:
        return None if text is None else msgspec.json.decode(text, type=StoredKey)
    except msgspec.DecodeError as error:
        logger.warning("a key can't be read", extra={"key_id": key_id, "error": str(error)})
        return None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_NOBODY = StoredKey(sha256=_hash(""), tenant="nobody", created_at="2026-01-31T12:00:00Z")
"""In place of a key that does not exist. No secret of the right form has this hash."""
_NOBODY_TEXT = msgspec.json.encode(_NOBODY)
