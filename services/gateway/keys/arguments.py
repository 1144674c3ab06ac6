"""The arguments of the `keys` command."""

import argparse

from contracts.limits import SETTINGS
from contracts.settings import paragraphs
from services.gateway.tenant_settings import LIMITS, RATES

_EXAMPLES = """\
examples:
  keys limits --tenant acme                               show all limits of a tenant, and what has set each
  keys limits --tenant acme --set weight=4 max_active=500
  keys limits --tenant acme --unset max_active            what the setting says holds again
  keys limits --key 0123456789abcdef --set requests_per_minute=60

limits:
"""


def add_arguments(keys: argparse.ArgumentParser) -> None:
    """Add the actions of the command, and their arguments."""
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("--tenant", required=True, help="the key's owner; tenants do not see each other's jobs")
    create.add_argument("--name", default="", help="a note for yourself")
    create.add_argument("--admin", action="store_true", help="let it see the usage of all tenants")
    for name, what in (("requests", "jobs that it may submit"), ("work", "work-seconds that it may use")):
        create.add_argument(
            f"--{name}-per-minute",
            metavar="N",
            help=f"{what} a minute, within what its tenant may (default: 0, no limit of its own)",
        )
    actions.add_parser("list", help="list the keys, without their secrets, and the tenants that have limits")
    _add_limits(
        actions.add_parser(
            "limits",
            help="show and set what a tenant or a key may use",
            epilog=_EXAMPLES + paragraphs((entry, _default_of(name)) for name, entry in LIMITS.items()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    revoke = actions.add_parser("revoke", help="remove a key")
    revoke.add_argument("key_id", metavar="KEYID", help="the part between the underscores of tt_KEYID_SECRET")


def _add_limits(limits: argparse.ArgumentParser) -> None:
    whose = limits.add_mutually_exclusive_group(required=True)
    whose.add_argument("--tenant", help="whose limits: of all its keys together")
    whose.add_argument("--key", metavar="KEYID", help=f"the limits of one key: {', '.join(RATES)}")
    limits.add_argument(
        "--set", action="extend", default=[], nargs="+", metavar="NAME=VALUE", help="set limits, which are listed below"
    )
    limits.add_argument(
        "--unset",
        action="extend",
        default=[],
        nargs="+",
        metavar="NAME",
        help="let what the gateway's setting says hold again, and no rate of the key's own",
    )


def _default_of(name: str) -> str:
    return f"default: {SETTINGS[name]}" if name in SETTINGS else f"default {LIMITS[name].default}"
