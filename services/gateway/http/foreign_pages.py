"""What web pages of other sites can't do with a gateway that a browser reaches, such as one on localhost.

A browser lets a page send requests to any address. Those that are more than a form need the gateway's consent, which it
never gives. So a page is left with forms, and with DNS rebinding: its own name points to the gateway, which to the
browser is then the page's own site. An API key, which no page has, is safe from both.
"""

import ipaddress
from collections.abc import Callable, Collection
from functools import lru_cache

from flask import Flask, Request, request

from services.gateway.http.errors import CrossSiteRequest, UnknownHost

ANY = "*"


class AllowedHosts:
    """The names of a gateway that needs no keys: those of loopback, the address it listens on, and some more."""

    def __init__(self, names: Collection[str], address: str) -> None:
        self._names = {"localhost", *names}
        self._address = _ip(address)
        if self._address is None:
            self._names.add(address.lower())
        # Nearly all requests have the same name, and anybody can send others.
        self._has = lru_cache(maxsize=100)(self._is_own)

    def check(self, host: str) -> None:
        """Check a ``Host`` header. Its port may be any: tunnels and containers have others than the gateway.

        Raises:
            UnknownHost: it names something else; the message says what to set.
        """
        name = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
        name = name.lower().removesuffix(".")
        # Only programs send none.
        if name and not self._has(name):
            raise UnknownHost(
                f"This gateway needs no API keys, and {name[:100]!r} is not one of its names. If it is, add it to "
                "TRIPTYCH_ALLOWED_HOSTS, or create API keys."
            )

    def _is_own(self, name: str) -> bool:
        address = _ip(name)
        # RFC 6761: browsers never ask the DNS for names in `localhost`, so nobody can point one elsewhere.
        if ANY in self._names or str(address or name) in self._names or name.endswith(".localhost"):
            return True
        if address is None:
            return False
        # A gateway that listens on all addresses of its machine has each of them. None of them is a name to rebind.
        return address.is_loopback or address == self._address or bool(self._address and self._address.is_unspecified)


def refuse_unknown_hosts(app: Flask, hosts: AllowedHosts, is_open: Callable[[], bool], exempt: Collection[str]) -> None:
    """Refuse requests under other names while ``is_open``, but for the endpoints in ``exempt``."""

    def check() -> None:
        if request.endpoint not in exempt and is_open():
            hosts.check(request.environ.get("HTTP_HOST", ""))

    app.before_request(check)


def refuse_cross_site(sent: Request) -> None:
    """Refuse a request that a page of another site has sent, where browsers send such without the gateway's consent.

    Browsers name the page's site in ``Origin``, ``null`` where they hide it, or leave it out and say in
    ``Sec-Fetch-Site`` how it relates to this one. Programs send neither. The origins of browser extensions are no http
    addresses, and no page can claim one.

    Raises:
        CrossSiteRequest: another site has sent it. Another port of this machine, or another subdomain, is one too.
    """
    origin = sent.headers.get("Origin", "")
    own = {f"{scheme}://{sent.host}" for scheme in ("http", "https")}
    if origin:
        foreign = origin == "null" or (origin.startswith(("http://", "https://")) and origin not in own)
    else:
        foreign = sent.headers.get("Sec-Fetch-Site", "none") in {"cross-site", "same-site"}
    if foreign:
        raise CrossSiteRequest("Pages of other sites can't send this: use a program, or JSON where that is accepted.")


def _ip(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
