"""Errors of calls that run outside of the gateway's process, and of a gateway that is too busy to take a request."""

from contracts.errors import QuotaExceeded, Unavailable


class GatewayBusy(Unavailable):
    """Too many calls or bodies wait, or the process that ran a call was killed, twice."""

    code = "gateway_busy"
    fixed_message = "The gateway is busy with large requests. Nothing was accepted; try again shortly."


class GatewayShareReached(QuotaExceeded):
    """The tenant's requests hold as much of the gateway as one tenant may; the rest is for others."""

    code = "gateway_share_reached"


class CallLimitExceeded(Exception):
    """A call took more time or memory than it may. The caller knows what that means for its client."""


class CallFailed(Exception):
    """A call raised what is no error for clients: a bug. The message is its traceback."""
