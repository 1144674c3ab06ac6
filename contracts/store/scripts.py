"""Loads the Lua scripts of the job store. Callers run one with ``script(args=[...])``."""

from importlib import resources

import redis
from redis.commands.core import Script

from contracts.store.message import MESSAGE_TEMPLATE

_LUA = resources.files("contracts.store") / "lua"
_ALLOW_OOM = "#!lua flags=allow-oom\n"


def load_script(client: "redis.Redis", name: str) -> Script:
    """Return the script ``lua/<name>.lua``, with the shared functions of ``lua/common.lua`` before it.

    Nothing is sent yet. The first call sends the text if the server does not know the script; later calls send its
    SHA-1 only.
    """
    # When its memory is full, Redis must refuse new jobs and nothing else: a lease that can't be renewed, or a job
    # that can't end, would punish jobs that were accepted already. A submit is refused at its first write, so it
    # leaves nothing behind.
    # Redis reads flags from the first line of a script only. In long brackets, Lua needs no escapes for JSON.
    shebang = "" if name == "submit" else _ALLOW_OOM
    message = f"local MESSAGE = [==[{MESSAGE_TEMPLATE}]==]\n"
    return client.register_script(
        shebang + message + (_LUA / "common.lua").read_text() + (_LUA / f"{name}.lua").read_text()
    )
