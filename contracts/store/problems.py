"""What is wrong with the store: the one place that knows the errors of the client library.

Everybody who meets such an error asks here for the sentence that says what it is and what the operator must look at.
"""

from dataclasses import dataclass

import redis

from contracts.errors import Unavailable


@dataclass(frozen=True)
class StoreProblem:
    """Why a call to the store failed. ``code`` is the store's own word for it, or one of the constants below."""

    code: str
    sentence: str

    def unavailable(self) -> Unavailable:
        """Return the error that a client gets while there is this problem."""
        return Unavailable(f"{self.sentence} Nothing was accepted; try again later.")


UNREACHABLE = StoreProblem("unreachable", "The job store is out of reach.")
TIMEOUT = StoreProblem("timeout", "The job store does not answer in time.")
NO_CONNECTION = StoreProblem("busy", "Too many requests use the job store at once.")
UNKNOWN = StoreProblem("unknown", "The job store refused a command, which is logged.")
_NO_RIGHTS = (
    "The user in TRIPTYCH_REDIS_URL lacks rights in the job store (NOPERM): look at its rules with ACL GETUSER."
)
_NO_LOGIN = "The job store refuses the user or password in TRIPTYCH_REDIS_URL ({})."
_PRIMARY = "TRIPTYCH_REDIS_URL must name the primary."
_SENTENCES = {
    "MISCONF": "The job store can't write to its disk, so it takes no writes (MISCONF): look at its disk and its log.",
    "READONLY": f"The job store is a replica, which takes no writes (READONLY): {_PRIMARY}",
    "UNBLOCKED": f"The job store has become a replica, which takes no writes (UNBLOCKED): {_PRIMARY}",
    "MASTERDOWN": f"The job store is a replica without its primary (MASTERDOWN): {_PRIMARY}",
    "NOREPLICAS": "The job store has too few replicas to take writes (NOREPLICAS): look at them, and at its setting "
    "min-replicas-to-write.",
    "NOPERM": _NO_RIGHTS,
    "WRONGPASS": _NO_LOGIN.format("WRONGPASS"),
    "NOAUTH": _NO_LOGIN.format("NOAUTH"),
    "OOM": "The job store's memory is full (OOM): look at its setting maxmemory, and at how long results are kept.",
    "LOADING": "The job store is still loading its data (LOADING).",
    "BUSY": "The job store is busy with a script (BUSY).",
}
_IN_SCRIPTS = ("The user executing the script can't", "ACL failure in script")
"""How Redis and Valkey begin NOPERM when a script calls a command without the right to."""
_MAX_CLIENTS = "The job store takes no more connections: look at its setting maxclients."


def problem_of(error: redis.RedisError) -> StoreProblem:
    """Return what is wrong, given the error of a call."""
    text = str(error)
    # redis-py cuts the first word off the texts of errors for which it has a class.
    code = error.status_code or text.partition(" ")[0]
    if code in _SENTENCES:
        return StoreProblem(code, _SENTENCES[code])
    if text.startswith(_IN_SCRIPTS):
        return StoreProblem("NOPERM", _NO_RIGHTS)
    if text == "max number of clients reached":
        return StoreProblem("maxclients", _MAX_CLIENTS)
    if text == "No connection available.":
        return NO_CONNECTION  # the store is well: this process has no free connection to it
    if isinstance(error, redis.TimeoutError):
        return TIMEOUT
    return UNREACHABLE if isinstance(error, redis.ConnectionError) else UNKNOWN
