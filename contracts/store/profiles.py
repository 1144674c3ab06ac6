"""What models cost on the workers that have served them of late, kept while no worker is alive, too.

Workers write with their heartbeats. From all that is kept of a model, gateways make prices and workers the work that
jobs have taken (`contracts.price.profile.merged`).
"""

import logging
from collections.abc import Iterable, Mapping

import msgspec
import redis

from contracts.price.profile import ModelProfile, merged
from contracts.store.keys import PREFIX
from contracts.store.records import replies_of
from contracts.store.registry import MODEL_TTL_S

logger = logging.getLogger(__name__)
MAX_AGE_S = 3600.0
"""A worker that has not been heard of for so long counts no more, except the last one."""
MAX_WORKERS = 64
"""Most profiles that are kept of a model."""
_MAX_SPEED = 1e6


class KeptProfile(msgspec.Struct, frozen=True):
    """What a worker has said of a model."""

    profile: ModelProfile
    speed: float
    """Work-seconds that it did in a second while it was full, by the merged profiles."""
    seen_at: float
    """When it has said so, by the store's clock."""
    since: float = 0.0
    """When it has said something first."""


class Profiles:
    """Reads and writes profiles. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def read(self, models: Iterable[str]) -> dict[str, dict[str, KeptProfile]]:
        """Return what is kept of each model, by worker, in one round trip: of the last hour, or else the newest."""
        now, found = self._read(list(models))
        return {model: _newest(_decoded(entries), now) for model, entries in found.items()}

    def write(self, worker: str, speed: float, profiles: Mapping[str, ModelProfile]) -> dict[str, ModelProfile]:
        """Keep what a worker says of its models, and forget what is old; return the merged profile of each model."""
        now, found = self._read(list(profiles))
        prices = {}
        with self._client.pipeline(transaction=False) as pipeline:
            for model, profile in profiles.items():
                earlier = _decoded(found[model])
                since = earlier[worker].since if worker in earlier else now
                own = KeptProfile(profile, speed, now, since)
                kept = _newest({**earlier, worker: own}, now)
                pipeline.hset(_key(model), worker, msgspec.json.encode(own))
                if gone := [name for name in found[model] if name.decode(errors="replace") not in kept]:
                    pipeline.hdel(_key(model), *gone)
                pipeline.expire(_key(model), MODEL_TTL_S)
                prices[model] = merged(entry.profile for entry in kept.values()) or profile
            pipeline.execute()
        return prices

    def _read(self, models: list[str]) -> tuple[float, dict[str, dict[bytes, bytes]]]:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            for model in models:
                pipeline.hgetall(_key(model))
            (seconds, microseconds), *found = replies_of(pipeline, instead=None)
        if broken := [_key(model) for model, entries in zip(models, found, strict=True) if entries is None]:
            logger.warning("profiles can't be read", extra={"keys": broken})
            self._client.unlink(*broken)  # workers write what they cost with each beat
        return seconds + microseconds / 1e6, {model: of or {} for model, of in zip(models, found, strict=True)}


def price_list(kept: Mapping[str, Mapping[str, KeptProfile]]) -> dict[str, ModelProfile]:
    """Return the profile by which each model is priced, without those of which nothing is known."""
    profiles = {model: merged(entry.profile for entry in entries.values()) for model, entries in kept.items()}
    return {model: profile for model, profile in profiles.items() if profile is not None}


def _key(model: str) -> str:
    return f"{PREFIX}profiles:{model}"


def _newest(entries: Mapping[str, KeptProfile], now: float) -> dict[str, KeptProfile]:
    """Return the entries that count: of the last hour, or else the newest, and no more than there is place for."""

    def age_s(entry: tuple[str, KeptProfile]) -> float:
        return abs(now - entry[1].seen_at)  # of one of a time to come too, or it would count for ever

    by_age = sorted(entries.items(), key=age_s)[:MAX_WORKERS]
    return dict([entry for entry in by_age if age_s(entry) < MAX_AGE_S] or by_age[:1])


def _decoded(entries: Mapping[bytes, bytes]) -> dict[str, KeptProfile]:
    """Return entries without those that can't be read: of another version, say. They must not hide the others."""
    found = {}
    for worker, text in entries.items():
        try:
            kept = msgspec.json.decode(text, type=KeptProfile)
            if not (kept.profile.is_usable and 0 <= kept.speed <= _MAX_SPEED):
                raise msgspec.ValidationError("its numbers can't be of a profile")
            found[worker.decode()] = kept
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.info("a profile can't be read", extra={"worker": repr(worker), "error": str(error)})
    return found
