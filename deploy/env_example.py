"""Writes .env.example: every variable of every group of settings, with its default, its range and what it does."""

import sys
import textwrap
from collections.abc import Iterator

from contracts.logs.settings import LogSettings
from contracts.settings import Setting, Settings, StoreSettings
from deploy.local.settings import LocalSettings
from services.gateway.settings import GatewaySettings
from workers.runtime.settings import WorkerSettings

# In the order of a job's path. A variable that two processes read is described where it comes first.
GROUPS: dict[str, type[Settings]] = {
    "All processes": StoreSettings,
    "Logs": LogSettings,
    "Gateway": GatewaySettings,
    "Workers": WorkerSettings,
    "make run, make demo": LocalSettings,
}
HEAD = """\
# Triptych's settings. `docker compose` reads a copy of this file named .env; `make run` and processes started by
# hand read the same names from their environment. What is commented out shows the default.
# Written by `make env-example`; a test compares.

# Password of the store, for `docker compose` only; letters and digits, as from `openssl rand -hex 32`. Required there.
TRIPTYCH_REDIS_PASSWORD=

# Memory of each container, for `docker compose` only. The store needs twice TRIPTYCH_STORE_MAXMEMORY. A gateway has a
# process for each 256 MB, up to its CPUs and at most 4. What workers need depends on their models; see
# TRIPTYCH_MAX_MEMORY.
#TRIPTYCH_STORE_MEMORY=2g
#TRIPTYCH_GATEWAY_MEMORY=1g
#TRIPTYCH_WORKER_MEMORY=4g
"""


def variables() -> dict[str, Setting]:
    """Return the settings of all groups by the names of their variables, each once."""
    return {entry.name: entry for _, entry in _entries()}


def render() -> str:
    """Return the text of .env.example."""
    lines = [HEAD]
    heading = ""
    for group, entry in _entries():
        if group != heading:
            heading = group
            lines.append(f"# --- {group}\n")
        lines += textwrap.wrap(entry.description, 118, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"#{entry.name}={entry.default}\n")
    return "\n".join(lines)


def _entries() -> Iterator[tuple[str, Setting]]:
    """Yield each variable once, with the group that describes it."""
    seen = set()
    for group, settings in GROUPS.items():
        for entry in settings.table().values():
            if entry.name not in seen:
                seen.add(entry.name)
                yield group, entry


if __name__ == "__main__":
    sys.stdout.write(render())
