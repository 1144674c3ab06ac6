"""``python -m deploy.local run|demo|gateway``: keep the local stack up, run the demo on it, manage its keys and models.

Exit codes: 0 for success, also after Ctrl-C; 1 when the demo failed; 2 when a setting can't be used; 130 when the demo
was interrupted.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from contracts.logs.settings import LogSettings
from contracts.settings import SettingsError, help_text
from deploy.local.demo import show
from deploy.local.examples import DemoError
from deploy.local.roles import gateway_command
from deploy.local.settings import LocalSettings
from deploy.local.store import url_of_running
from deploy.local.supervisor import StackError, Stopped, Supervisor

DEMO_READY_S = 60.0
CONFIGURATION_ERROR = 2


def run() -> int:
    """Keep the stack up until a signal comes."""
    settings = LocalSettings.read()
    with Supervisor(settings, log=_say) as stack:
        try:
            stack.start()
        except Stopped:
            return 0
        print(f"\nTriptych is ready: {stack.url}   (Ctrl-C stops it)\n", flush=True)
        stack.watch()
    return 0


def demo() -> int:
    """Run one job of every task that has a model on a stack of its own, and show the answers."""
    with tempfile.TemporaryDirectory(prefix="triptych-demo-") as folder:
        # A free port and a folder of its own, so that the demo can run while a stack is up, and leaves nothing behind.
        settings = LocalSettings.read(port=0, data=Path(folder))
        with Supervisor(settings, log=lambda name, line: None) as stack:
            try:
                stack.start(ready_within_s=DEMO_READY_S)
                show(stack.url, stack.models, between=stack.check_once)
            except (DemoError, StackError) as error:
                print(f"The demo failed: {error}\n\nLast log lines:\n{stack.tails()}", file=sys.stderr)
                return 1
            except Stopped:
                return 130
    return 0


def gateway(arguments: list[str]) -> int:
    """Run a command of the gateway, such as `keys` or `models`, on the store of the running stack."""
    if not arguments:  # without a command it would be a second gateway
        subprocess.run([*gateway_command(), "--help"], stdout=sys.stderr, check=False)
        return CONFIGURATION_ERROR
    if {"-h", "--help"} & set(arguments):  # needs no stack
        return subprocess.run([*gateway_command(), *arguments], check=False).returncode
    settings = LocalSettings.read()
    url = settings.redis_url or url_of_running(settings.data)
    env = {**settings.inherited, "TRIPTYCH_REDIS_URL": url}
    env.pop("TRIPTYCH_PORT", None)  # 0 is a port for the stack only, and these commands listen on none
    return subprocess.run([*gateway_command(), *arguments], env=env, check=False).returncode


def _say(name: str, line: str) -> None:
    # The reader of our output may be gone, and the stack must be watched and stopped in order nevertheless.
    with contextlib.suppress(OSError):
        print(f"{name:8}| {line}", flush=True)


def main() -> int:
    """Run the command named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description=__doc__.splitlines()[0],
        epilog="settings, from the environment:\n" + help_text(LocalSettings, LogSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("run", help="keep the stack up until Ctrl-C")
    commands.add_parser("demo", help="run one job of every task on a stack of its own")
    # Without options of its own, whatever they begin with: `gateway --help` is the gateway's.
    manage = commands.add_parser(
        "gateway", add_help=False, prefix_chars="\0", help="manage keys and models of the running stack"
    )
    manage.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        if options.command == "gateway":
            return gateway(options.arguments)
        return run() if options.command == "run" else demo()
    except (SettingsError, StackError) as error:
        print(f"triptych: {error}", file=sys.stderr)
        return 1 if isinstance(error, StackError) else CONFIGURATION_ERROR
