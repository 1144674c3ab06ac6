"""The gateway's command line: serve, manage API keys and default models, print the OpenAPI document.

`serve` imports its modules only after gevent's monkey patching: a library that is imported before keeps references to
blocking sockets and locks, and one greenlet that blocks on these would stop all others.
"""

import argparse
import sys

from contracts.logs.settings import LogSettings, setup_logging
from contracts.settings import SettingsError, StoreSettings, help_text
from services.gateway.settings import GatewaySettings

CONFIGURATION_ERROR = 2
_HELP = """\
examples:
  python -m services.gateway                            serve on this machine; no keys needed while none exist
  python -m services.gateway keys create --tenant acme  create a key; from then on every request needs one
  python -m services.gateway models default             show which model runs requests of a task that name none
  python -m services.gateway models default embed NAME  change it
  python -m services.gateway openapi > openapi.json     describe the API for programs; /docs is for people

settings, from the environment:
{settings}"""


def main() -> int:
    """Run the command that the arguments name; return the exit code."""
    arguments = _parser().parse_args()
    try:
        store_settings = StoreSettings.read()
        settings = GatewaySettings.read()
        if arguments.command == "keys":
            from services.gateway.auth import keys_command

            return keys_command.run(arguments, store_settings)
        if arguments.command == "models":
            from services.gateway.models import models_command

            return models_command.run(arguments, settings, store_settings)
        if arguments.command == "openapi":
            return _openapi(settings, store_settings)
        return _serve(settings, store_settings)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIGURATION_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m services.gateway",
        description="Triptych's HTTP gateway.",
        epilog=_HELP.format(settings=help_text(GatewaySettings, StoreSettings, LogSettings)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve until SIGTERM or Ctrl-C (the default)")
    commands.add_parser("openapi", help="print the OpenAPI document")
    keys = commands.add_parser("keys", help="manage API keys; changes take effect within 5 seconds")
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("--tenant", required=True, help="the key's owner; tenants do not see each other's jobs")
    create.add_argument("--name", default="", help="a note for yourself")
    actions.add_parser("list", help="list the keys, without their secrets")
    revoke = actions.add_parser("revoke", help="remove a key")
    revoke.add_argument("key_id", metavar="KEYID", help="the part between the underscores of tt_KEYID_SECRET")
    models = commands.add_parser("models", help="show and change the default model of each task")
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)
    default = actions.add_parser("default", help="the model of requests that name none; takes effect within a second")
    default.add_argument("task", metavar="TASK", nargs="?", help="a task; without one, all are listed")
    default.add_argument("model", metavar="MODEL", nargs="?", help="the model that becomes its default")
    default.add_argument(
        "--unset", action="store_true", help="forget it: the model that was announced first becomes it"
    )
    return parser


def _serve(settings: GatewaySettings, store_settings: StoreSettings) -> int:
    from gevent import monkey

    monkey.patch_all()
    from services.gateway.server.address import check_address
    from services.gateway.server.application import GatewayServer
    from services.gateway.server.descriptors import within_descriptors

    check_address(settings)
    if settings.always_needs_key:
        from services.gateway.auth.keys_command import wait_for_keys

        if not wait_for_keys(store_settings):
            raise SettingsError(
                f"TRIPTYCH_HOST={settings.host}: others can reach this address, and there are no API keys. Create one: "
                "'python -m services.gateway keys create --tenant NAME'. Or set TRIPTYCH_ALLOW_OPEN=1 to serve anybody."
            )
    setup_logging("gateway", LogSettings.read())
    GatewayServer(within_descriptors(settings), store_settings).run()
    return 0


def _openapi(settings: GatewaySettings, store_settings: StoreSettings) -> int:
    import json

    from services.gateway.app import describe

    print(json.dumps(describe(settings, store_settings), indent=2))
    return 0
