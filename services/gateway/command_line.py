"""The gateway's command line: serve, manage API keys and default models, print the OpenAPI document.

`serve` imports its modules only after gevent's monkey patching: a library that is imported before keeps references to
blocking sockets and locks, and one greenlet that blocks on these would stop all others.
"""

import argparse
import shlex
import sys
from typing import TypeAlias

from contracts.logs.settings import LogSettings, setup_logging
from contracts.settings import SettingsError, StoreSettings, help_text
from services.gateway.keys.arguments import add_arguments as add_key_arguments
from services.gateway.settings import GatewaySettings

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
FAILED = 1
CONFIGURATION_ERROR = 2
_SERVE = """\
  {command}                            serve on this machine; no keys needed while none exist
"""
_HELP = """\
examples:
{serve}\
  {command} keys create --tenant acme  create a key; from then on every request needs one
  {command} keys limits --tenant acme --set max_active=500 requests_per_minute=600
  {command} models default             show which model runs requests of a task that name none
  {command} models default embed NAME  change it
  {command} openapi > openapi.json     describe the API for programs; /docs is for people

settings, from the environment:
{settings}"""


def main() -> int:
    """Run the command that the arguments name; return the exit code."""
    stack, words = _arguments()
    arguments = _parser(stack).parse_args(words)
    try:
        store_settings = StoreSettings.read()
        settings = GatewaySettings.read()
        if arguments.command in {"keys", "models"}:
            return _manage(arguments, settings, store_settings)
        if arguments.command == "openapi":
            return _openapi(settings, store_settings)
        return _serve(settings, store_settings, stack)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIGURATION_ERROR


def _arguments() -> tuple[str | None, list[str]]:
    """Return what users of the local stack type instead of this program, if the stack started it, and the arguments."""
    match sys.argv[1:]:
        case ["--stack", command, *words]:
            return command, words
        case words:
            return None, words


def _typed(module: str) -> str:
    """Return the beginning of a command that runs a module with this Python, as the user named it."""
    return f"{shlex.quote(sys.orig_argv[0])} -m {module}"


def _parser(stack: str | None) -> argparse.ArgumentParser:
    command = stack or _typed("services.gateway")
    settings = help_text(GatewaySettings, StoreSettings, LogSettings)
    parser = argparse.ArgumentParser(
        command,
        description="Triptych's HTTP gateway.",
        # The stack has a gateway, and its users start none by hand.
        epilog=_HELP.format(command=command, serve="" if stack else _SERVE.format(command=command), settings=settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    if not stack:
        commands.add_parser("serve", help="serve until SIGTERM or Ctrl-C (the default)")
    commands.add_parser("openapi", help="print the OpenAPI document")
    _add_keys(commands)
    _add_models(commands)
    return parser


def _add_keys(commands: Commands) -> None:
    keys = commands.add_parser("keys", help="manage API keys; changes take effect within 5 seconds")
    add_key_arguments(keys)


def _add_models(commands: Commands) -> None:
    models = commands.add_parser("models", help="show and change the default model of each task")
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)
    default = actions.add_parser("default", help="the model of requests that name none; takes effect within a second")
    default.add_argument("task", metavar="TASK", nargs="?", help="a task; without one, all are listed")
    default.add_argument("model", metavar="MODEL", nargs="?", help="the model that becomes its default")
    default.add_argument(
        "--unset", action="store_true", help="forget it: the model that was announced first becomes it"
    )


def _manage(arguments: argparse.Namespace, settings: GatewaySettings, store_settings: StoreSettings) -> int:
    import redis

    from contracts.store.problems import UNREACHABLE, problem_of
    from services.gateway.keys import command as keys_command
    from services.gateway.models import models_command

    try:
        if arguments.command == "keys":
            return keys_command.run(arguments, settings, store_settings)
        return models_command.run(arguments, settings, store_settings)
    except redis.RedisError as error:
        problem = problem_of(error)
        hint = ""
        if problem == UNREACHABLE and store_settings.redis_url == StoreSettings.read({}).redis_url:
            # `make run` has a store of its own, on another port at each start.
            hint = f" For the stack of `make run`: {_typed('deploy.local')} gateway {shlex.join(sys.argv[1:])}"
        print(f"error: {problem.sentence} ({error}){hint}", file=sys.stderr)
        return FAILED


def _serve(settings: GatewaySettings, store_settings: StoreSettings, stack: str | None) -> int:
    from gevent import monkey

    monkey.patch_all()
    from services.gateway.server.address import check_address
    from services.gateway.server.application import GatewayServer
    from services.gateway.server.descriptors import within_descriptors

    check_address(settings)
    if settings.always_needs_key:
        from services.gateway.keys.command import wait_for_keys

        if not wait_for_keys(store_settings):
            # The store of the stack runs only while the stack does.
            create = f"'{stack or _typed('services.gateway')} keys create --tenant NAME'"
            how = f"Start once without TRIPTYCH_HOST, run {create} meanwhile, and start again as now"
            raise SettingsError(
                f"TRIPTYCH_HOST={settings.host}: others can reach this address, and there are no API keys. "
                f"{how if stack else f'Create one: {create}'}. Or set TRIPTYCH_ALLOW_OPEN=1 to serve anybody."
            )
    setup_logging("gateway", LogSettings.read())
    GatewayServer(within_descriptors(settings), store_settings).run()
    return 0


def _openapi(settings: GatewaySettings, store_settings: StoreSettings) -> int:
    import json

    from services.gateway.app import describe

    print(json.dumps(describe(settings, store_settings), indent=2))
    return 0
