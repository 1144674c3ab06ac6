"""The action `keys limits`: shows and sets what a tenant may ask for and hold, and the rates of a key."""

import argparse
import sys
from collections.abc import Iterable

import msgspec
import redis

from contracts.limits import SETTINGS, TenantLimits
from contracts.settings import SettingsError
from contracts.store.tenants.limits import StoredLimits
from services.gateway.auth.api_keys import TENANT, ApiKeys
from services.gateway.limits.book import effective
from services.gateway.tenant_settings import LIMITS, RATES, TenantSettings

FAILED = 1


def run(arguments: argparse.Namespace, keys: ApiKeys, client: "redis.Redis", settings: TenantSettings) -> int:
    """Change the limits that the arguments name, and show all; return the exit code.

    Raises:
        SettingsError: an argument can't be used.
        redis.RedisError: the store refuses, or does not answer.
    """
    changes = _changes(arguments, RATES if arguments.key else tuple(LIMITS))
    if arguments.key:
        return _run_for_key(keys, arguments.key, changes)
    if not TENANT.fullmatch(arguments.tenant):
        raise SettingsError("--tenant: expected 1 to 64 letters, digits, dots, dashes or underscores")
    stored = StoredLimits(client)
    limits = stored.change(arguments.tenant, changes) if changes else stored.of(arguments.tenant)
    _show_tenant(arguments.tenant, limits, settings)
    return 0


def rates_of(arguments: argparse.Namespace) -> dict[str, int]:
    """Return the rates of a new key. Raises SettingsError."""
    given = ((name, getattr(arguments, name)) for name in RATES)
    return {name: LIMITS[name].parse(text) for name, text in given if text is not None}


def summary_of(limits: TenantLimits) -> str:
    """Return what is set for a tenant in one line; empty if nothing is."""
    return " ".join(
        f"{name}={value:.15g}" for name, value in msgspec.structs.asdict(limits).items() if value is not None
    )


def _changes(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, float | None]:
    """Return the new values by their names, None for those that are unset."""
    changes: dict[str, float | None] = {}
    given = [(name, value) for name, _, value in (text.partition("=") for text in arguments.set)]
    for name, value in [*given, *((name, None) for name in arguments.unset)]:
        if name not in names:
            raise SettingsError(f"{name}: expected one of {', '.join(names)}")
        if name in changes:
            raise SettingsError(f"{name}: given more than once")
        changes[name] = None if value is None else LIMITS[name].parse(value)
    return changes


def _run_for_key(keys: ApiKeys, key_id: str, changes: dict[str, float | None]) -> int:
    key = keys.set_rates(key_id, {name: int(value or 0) for name, value in changes.items()})
    if key is None:
        sys.stderr.write("error: no key has this id; see 'keys list'\n")
        return FAILED
    _show((name, getattr(key, name), "this command" if getattr(key, name) else "nobody") for name in RATES)
    return 0


def _show_tenant(tenant: str, limits: TenantLimits, settings: TenantSettings) -> None:
    values = effective(tenant, limits, settings)
    _show(
        (name, getattr(values, name), "this command" if name in values.own else SETTINGS.get(name, "default"))
        for name in LIMITS
    )


def _show(rows: Iterable[tuple[str, float, str]]) -> None:
    """Print limits: name, value, and what has set it."""
    sys.stdout.write(f"{'LIMIT':20}  {'VALUE':>16}  SET BY\n")
    for name, value, source in rows:
        shown = "no limit" if name in RATES and not value else f"{value:.15g}"
        sys.stdout.write(f"{name:20}  {shown:>16}  {source}\n")
