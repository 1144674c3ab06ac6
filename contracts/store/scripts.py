"""Loads the Lua scripts of the job store. Callers run one with ``script(args=[...])``."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

import msgspec
import redis

from contracts.jobs import LANE_WEIGHTS
from contracts.store.job_ends import log_end, log_set_aside
from contracts.store.message import MESSAGE_TEMPLATE
from contracts.store.records import SMALL_FIELDS

_LUA = resources.files("contracts.store") / "lua"
_ALLOW_OOM = "#!lua flags=allow-oom\n"
# Whatever a script returns, its reply is what the log says of jobs (flush), and after it what the script returned.
# What all changes have in common is written even if a script fails halfway, so that no change is half written.
_RUN = """local function run()
{text}
end
local done, reply = pcall(run)
local for_log = flush()
if not done then return type(reply) == 'table' and reply or redis.error_reply(tostring(reply)) end
return {{for_log, reply}}
"""
_SCOPE = """return (function()
{text}
end)()
"""
_SCOPES = (
    ("common/base", "common/held", "common/broken", "common/events"),
    ("shares/flows", "shares/picking", "shares/writing", "shares/healing"),
    ("common/queues", "common/records", "common/meters", "common/limits", "shares/admission", "common/ledger"),
    ("common/moves", "common/blame", "common/flush"),
)
"""Parts that scripts share, in this order: each uses those before it.

The functions of a scope stand in a function of their own, within that of the scope before. Each call of a script makes
all of them anew. What they use of their own scope Lua looks for in a list of all that is used there, which may be long;
what they use of the scopes around it has a number. At most 60 of that, or a script can't be loaded.
"""
_SPARED = {
    "submit": {"common/records", "common/ledger", "common/moves", "common/blame"},
    "turn": {"common/blame"},
}
"""What scripts that run for every job do without, because each function costs its time in every call."""
_ONLY_IN = {
    "common/meters": {"submit", "post_ledger"},
    "common/limits": {"submit"},
    "shares/admission": {"submit"},
    "shares/picking": {"turn"},
    "shares/healing": {"submit", "heal_running"},
}
"""Parts that only these scripts need."""


class JobScript:
    """A script of the job store. A call that has ended jobs, or met broken records, logs one line for each."""

    def __init__(self, client: "redis.Redis", text: str) -> None:
        self._script = client.register_script(text)

    def __call__(self, args: Sequence[Any]) -> Any:
        """Run the script and return its reply, None for nil. Raises ``redis.RedisError``."""
        # Only the call that has changed the record gets the job here, so however many processes try to end a job, one
        # of them writes the line. None does if the reply is lost; the record and the counters have the end anyway.
        (ended, set_aside), *reply = self._script(args=args)
        for fields in from_json(ended):
            log_end(fields)
        for job_id, fault in set_aside:
            log_set_aside(job_id, fault)
        return reply[0] if reply else None


def from_json(reply: bytes) -> list[Any]:
    """Return a list that a script has replied as JSON; an empty text stands for an empty list."""
    if not reply:
        return []
    try:
        return msgspec.json.decode(reply, type=list[Any])
    except (msgspec.DecodeError, UnicodeDecodeError):  # a record has text that nobody of us has written
        return msgspec.json.decode(reply.decode(errors="replace"), type=list[Any])


def load_script(client: "redis.Redis", name: str) -> JobScript:
    """Return the script ``lua/<name>.lua``, with the functions of ``lua/common`` and ``lua/shares`` before it.

    Nothing is sent yet. The first call sends the text if the server does not know the script; later calls send its
    SHA-1 only.
    """
    # When its memory is full, Redis must refuse new jobs and nothing else: a lease that can't be renewed, or a job
    # that can't end, would punish jobs that were accepted already. A submit is refused at its first write, so it
    # leaves nothing behind; and a probe must find out whether it would be.
    # Redis reads flags from the first line of a script only. In long brackets, Lua needs no escapes for JSON.
    shebang = "" if name in {"submit", "probe"} else _ALLOW_OOM
    message = f"local MESSAGE = [==[{MESSAGE_TEMPLATE}]==]\n"
    fields = f"local function record_fields() return {str(SMALL_FIELDS)[1:-1]} end\n"
    weights = ", ".join(f"{lane} = {weight}" for lane, weight in LANE_WEIGHTS.items())
    fields += f"local LANE_WEIGHTS = {{{weights}}}\n"
    text = _RUN.format(text=(_LUA / f"{name}.lua").read_text())
    for scope in reversed(_SCOPES):
        parts = (part for part in scope if part not in _SPARED.get(name, ()) and name in _ONLY_IN.get(part, {name}))
        text = _SCOPE.format(text="".join((_LUA / f"{part}.lua").read_text() for part in parts) + text)
    return JobScript(client, shebang + message + fields + text)
