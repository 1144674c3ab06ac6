"""Whose request is this: the tenant of its API key, or the one tenant of a gateway that is open."""

from flask import Request

from contracts.errors import Unauthorized
from services.gateway.auth.api_keys import ApiKeys
from services.gateway.monitoring.monitor import Monitor
from services.gateway.settings import GatewaySettings

OPEN_TENANT = "default"


class Auth:
    """Finds the tenant of a request."""

    def __init__(self, settings: GatewaySettings, keys: ApiKeys, monitor: Monitor) -> None:
        self._always_needs_key = settings.always_needs_key
        self._keys = keys
        self._monitor = monitor

    def tenant(self, request: Request, key_in_body: str = "") -> str:
        """Return the tenant whose jobs this request may see. A key of the body counts where no header has one.

        Raises:
            Unauthorized: a key is needed, and this is none of ours.
        """
        if not (self._always_needs_key or self._monitor.has_keys):
            return OPEN_TENANT
        tenant = self._keys.tenant_of(_presented(request) or key_in_body)
        if tenant is None:
            raise Unauthorized
        return tenant


def _presented(request: Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("X-API-Key", "").strip()
