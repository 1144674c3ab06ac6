"""Keeps the number of connections within the file descriptors that the system gives a process.

A process without a free descriptor can't accept a connection, can't reach the store, and says so in a traceback each
time. So what is allowed must fit from the start.
"""

import logging
import resource
from dataclasses import replace

from services.gateway.backend import MAX_STORE_CONNECTIONS
from services.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)
_SPARE = MAX_STORE_CONNECTIONS + 64
"""Descriptors of a process besides its clients' connections: those to the store, its children's, and its own files."""
_LEAST = 10
"""Connections of a process that are allowed all the same, so that it serves at all."""


def within_descriptors(settings: GatewaySettings) -> GatewaySettings:
    """Return settings whose connections fit into ``RLIMIT_NOFILE``, whose soft limit is raised as far as needed.

    Processes that are forked later inherit it. If the hard limit is too low, a warning says what remains.
    """
    connections = -(-settings.max_connections // settings.processes)
    allowed = _raised(connections + _SPARE)
    if allowed >= connections + _SPARE:
        return settings
    fitting = max(_LEAST, allowed - _SPARE) * settings.processes
    logger.warning(
        "TRIPTYCH_MAX_CONNECTIONS=%d needs RLIMIT_NOFILE (ulimit -n) of %d, and it is %d: only %d connections are kept "
        "open at once",
        *(settings.max_connections, connections + _SPARE, allowed, fitting),
    )
    return replace(settings, max_connections=fitting)


def _raised(needed: int) -> int:
    """Raise the soft limit to what is needed, or as far as the hard one allows; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
