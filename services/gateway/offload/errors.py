"""Errors of calls that run outside of the gateway's process, and of a gateway that is too busy to take a request."""

from contracts.errors import Unavailable


class GatewayBusy(Unavailable):
    """Too many calls or bodies wait, or the process that ran a call was killed, twice."""

    code = "gateway_busy"
    fixed_message = "The gateway is busy with large requests. Nothing was accepted; try again shortly."


class LimitExceeded(Exception):
    """A call took more time or memory than it may. The caller knows what that means for its client."""


class CallFailed(Exception):
    """A call raised what is no error for clients: a bug. The message is its traceback."""
