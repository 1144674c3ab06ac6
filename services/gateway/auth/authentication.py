"""Finds the tenant of a request: that of its API key, or the one tenant of a gateway that needs no keys."""

from collections.abc import Callable

from flask import Request

from contracts.errors import Unauthorized
from contracts.jobs import OPEN_TENANT
from services.gateway.auth.api_keys import ApiKeys, id_of
from services.gateway.http.request_facts import facts_of
from services.gateway.settings import GatewaySettings


class Authenticator:
    """Finds the tenant of a request.

    Args:
        settings: whether a key is always needed.
        keys: looks keys up.
        has_keys: says whether any key exists, without a call to the store.
        enter: gets the tenant of a request that needs a key and may hold its connection, and may refuse it.
    """

    def __init__(
        self, settings: GatewaySettings, keys: ApiKeys, has_keys: Callable[[], bool], enter: Callable[[str], None]
    ) -> None:
        self._enter = enter
        self._always_needs_key = settings.always_needs_key
        self._keys = keys
        self._has_keys = has_keys

    def is_open(self) -> bool:
        """Return whether requests need no key now, so that all clients are one tenant."""
        return not (self._always_needs_key or self._has_keys())

    def tenant(self, request: Request, key_in_body: str = "", *, holds: bool = True) -> str:
        """Return the tenant whose jobs this request may see. A key in the body counts if no header has one.

        The facts of the request name the tenant from then on, and the key. ``holds`` says whether the request may hold
        its connection; others are served however many of these there are.

        Raises:
            Unauthorized: a key is needed, and the request's key is missing or invalid.
            GatewayShareReached: too many requests of the tenant are being served.
        """
        facts = facts_of(request.environ)
        if self.is_open():
            facts.tenant = OPEN_TENANT
            return OPEN_TENANT
        key = _key_in_headers(request) or key_in_body
        tenant = self._keys.tenant_of(key)
        if tenant is None:
            raise Unauthorized
        facts.tenant, facts.key_id = tenant, id_of(key)
        if holds:
            self._enter(facts.owner)
        return tenant

    def tenant_by_header(self, request: Request) -> str | None:
        """Return the tenant, or None if a key is needed and no header has one: then it may be in the body.

        Raises:
            Unauthorized: the key in the header is invalid.
        """
        return self.tenant(request) if self.is_open() or _key_in_headers(request) else None


def _key_in_headers(request: Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("X-API-Key", "").strip()
