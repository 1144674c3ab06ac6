"""The `keys` command: creates, lists and revokes API keys in the store, and sets limits."""

import argparse
import re
import sys
import time

import redis

from contracts.settings import SettingsError, StoreSettings
from contracts.store.problems import problem_of
from contracts.store.redis_client import connect
from contracts.store.tenants.limits import StoredLimits
from services.gateway.auth.api_keys import TENANT, ApiKeys
from services.gateway.keys import limits
from services.gateway.tenant_settings import RATES, TenantSettings

STORE_WAIT_S = 15.0
FAILED = 1
_ROW = "{:16}  {:20}  {:20}  {:5}  {:>12}  {:>10}  {}"
"""Of the list of keys. Rates are those of the key alone."""


def run(arguments: argparse.Namespace, settings: TenantSettings, store: StoreSettings) -> int:
    """Run the action that the arguments name; return the exit code.

    Raises:
        SettingsError: an argument can't be used.
        redis.RedisError: the store refuses, or does not answer.
    """
    client = connect(store.redis_url, timeout_s=5.0, retries=1, max_connections=1)
    keys = ApiKeys(client)
    if arguments.action == "create":
        return _create(keys, arguments)
    if arguments.action == "revoke":
        return _revoke(keys, arguments.key_id)
    if arguments.action == "limits":
        return limits.run(arguments, keys, client, settings)
    return _list(keys, StoredLimits(client))


def wait_for_keys(settings: StoreSettings) -> bool:
    """Return whether there are API keys, after waiting for a store that is still starting.

    Raises:
        SystemExit: with code 1 if the store does not answer; a supervisor may try again later.
    """
    keys = ApiKeys(connect(settings.redis_url, timeout_s=2.0, retries=0, max_connections=1))
    # Gateway and store often start together, and a gateway that gave up at once would have to be restarted.
    deadline = time.monotonic() + STORE_WAIT_S
    while True:
        try:
            return keys.count() > 0
        except redis.RedisError as error:
            if time.monotonic() > deadline:
                _print_error(f"error: can't check for API keys. {problem_of(error).sentence} ({error})")
                raise SystemExit(FAILED) from error
        time.sleep(0.5)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _print_error(text: str) -> None:
    sys.stderr.write(text + "\n")


def _create(keys: ApiKeys, arguments: argparse.Namespace) -> int:
    if not TENANT.fullmatch(arguments.tenant):
        raise SettingsError("--tenant: expected 1 to 64 letters, digits, dots, dashes or underscores")
    if not re.fullmatch(r"[ -~]{0,64}", arguments.name):
        raise SettingsError("--name: expected up to 64 printable ASCII characters")
    # The key alone on stdout, so that a script can take it.
    rates = limits.rates_of(arguments)
    _print(keys.create(arguments.tenant, arguments.name, admin=arguments.admin, **rates))
    _print_error("Keep it: only its hash is stored, and it is not shown again.")
    return 0


def _list(keys: ApiKeys, stored: StoredLimits) -> int:
    _print(_ROW.format("KEYID", "TENANT", "CREATED", "ADMIN", "REQUESTS/MIN", "WORK/MIN", "NAME"))
    for key_id, key in keys.all().items():
        rates = (getattr(key, name) or "-" for name in RATES)
        row = _ROW.format(key_id, key.tenant, key.created_at, "yes" if key.admin else "-", *rates, key.name)
        _print(row.rstrip())
    of_tenants = stored.all()
    if of_tenants:
        _print(f"\n{'TENANT':20}  LIMITS OF ITS OWN")
    for tenant, own in of_tenants.items():
        _print(f"{tenant:20}  {limits.summary_of(own)}")
    return 0


def _revoke(keys: ApiKeys, key_id: str) -> int:
    if not keys.revoke(key_id):
        _print_error("error: no key has this id; see 'keys list'")
        return FAILED
    _print("Revoked; within 5 seconds no gateway accepts it.")
    if keys.count() == 0:
        _print_error("That was the last key: a gateway on a loopback address is open now.")
    return 0
