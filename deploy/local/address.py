"""The gateway's address: whether it can listen there, and its URL on this machine."""

import errno
import socket

from contracts.settings import SettingsError


def url_of(host: str, port: int) -> str:
    """Return the URL by which this machine reaches a server that listens on ``host``."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_address(host: str, port: int) -> None:
    """Fail now if the gateway can't listen there, and not in a loop of gateways that die.

    Raises:
        SettingsError: no process can listen there; the message names the setting.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a port whose last connections are in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = "already in use; choose another TRIPTYCH_PORT" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsError(f"TRIPTYCH_HOST={host}, TRIPTYCH_PORT={port}: {reason}") from error
