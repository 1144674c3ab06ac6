"""Whether the gateway can listen on its address."""

import socket

from contracts.settings import SettingsError
from services.gateway.settings import GatewaySettings


def check_address(settings: GatewaySettings) -> None:
    """Check that the gateway can listen on its address. gunicorn itself would retry for five seconds before it fails.

    Raises:
        SettingsError: it can't listen there; the message says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            # Servers set this option too: with it a port counts as free while old connections are in TIME_WAIT.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"TRIPTYCH_HOST={settings.host}, TRIPTYCH_PORT={settings.port}: can't listen there: {error.strerror}"
        ) from error
