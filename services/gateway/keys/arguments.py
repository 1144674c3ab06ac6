"""The arguments of the `keys` command."""

import argparse

from services.gateway.tenant_settings import LIMITS, RATES


def add_arguments(keys: argparse.ArgumentParser) -> None:
    """Add the actions of the command, and their arguments."""
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("--tenant", required=True, help="the key's owner; tenants do not see each other's jobs")
    create.add_argument("--name", default="", help="a note for yourself")
    create.add_argument("--admin", action="store_true", help="let it see the usage of all tenants")
    for name, what in (("requests", "requests that submit a job"), ("work", "work-seconds")):
        create.add_argument(f"--{name}-per-minute", metavar="N", help=f"{what} that it may use, besides its tenant's")
    actions.add_parser("list", help="list the keys, without their secrets, and the tenants that have limits")
    _add_limits(actions.add_parser("limits", help="show and set what a tenant or a key may use"))
    revoke = actions.add_parser("revoke", help="remove a key")
    revoke.add_argument("key_id", metavar="KEYID", help="the part between the underscores of tt_KEYID_SECRET")


def _add_limits(limits: argparse.ArgumentParser) -> None:
    whose = limits.add_mutually_exclusive_group(required=True)
    whose.add_argument("--tenant", help="whose limits: of all its keys together")
    whose.add_argument("--key", metavar="KEYID", help=f"the limits of one key: {', '.join(RATES)}")
    limits.add_argument(
        "--set", action="extend", default=[], nargs="+", metavar="NAME=VALUE", help=f"one of {', '.join(LIMITS)}"
    )
    limits.add_argument("--unset", action="extend", default=[], nargs="+", metavar="NAME", help="back to the setting")
