"""Reads a request's body and checks it. Step 1 on the path of a job."""

from typing import Any, TypeVar

from flask import Request

from contracts.errors import InvalidRequest, PayloadTooLarge
from services.gateway.http.bodies.budget import BodyBudget
from services.gateway.http.bodies.checking import SMALL_BYTES, BodyCheck, checked
from services.gateway.http.bodies.form_fields import MEDIA_TYPE as FORM
from services.gateway.http.bodies.parsing import parse_body
from services.gateway.http.bodies.receiving import BodyReceiver
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.errors import ClientDisconnected, KeyNotInHeader, UnsupportedMediaType
from services.gateway.http.foreign_pages import refuse_cross_site
from services.gateway.http.request_facts import facts_of
from services.gateway.offload.client import Offload

T = TypeVar("T")
JSON = "application/json"


class BodyReader:
    """Reads and checks request bodies.

    Args:
        max_bytes: the longest body of a client whose key is known or not needed.
        timeout_s: how long a body may take to arrive.
        budget: room for the bodies of such clients.
        keyless_budget: room for bodies that may have the client's key in them.
        offload: where large bodies are parsed.
    """

    def __init__(
        self, *, max_bytes: int, timeout_s: float, budget: BodyBudget, keyless_budget: BodyBudget, offload: Offload
    ) -> None:
        self._max_bytes = max_bytes
        self._receiver = BodyReceiver(timeout_s, budget)
        self._keyless_receiver = BodyReceiver(timeout_s, keyless_budget)
        self._offload = offload

    def read(self, request: Request, check: BodyCheck[T], *media_types: str) -> T:
        """Return the checked body, which has one of these media types: JSON by default, or a form.

        Raises:
            UnsupportedMediaType, CrossSiteRequest, PayloadTooLarge, BodyTimeout, MalformedBody: it can't be read.
            InvalidRequest: it does not fit; ``param`` names the field.
            GatewayBusy, GatewayShareReached: there is no room for it now.
        """
        _check_headers(request, media_types or (JSON,))
        return checked(
            # In no variable here, so that ``checked`` can free it.
            self._receiver.receive(request, self._max_bytes, _too_large(self._max_bytes)),
            check,
            self._offload,
            is_form=request.mimetype == FORM,
            owner=facts_of(request.environ).owner,
            on_turn=lambda: _check_connection(request),
        )

    def read_keyless(self, request: Request, *media_types: str) -> Any:
        """Return a short body, parsed and not checked, of a client whose key may be in it.

        Raises as ``read``, and KeyNotInHeader if it is longer than ``SMALL_BYTES``.
        """
        _check_headers(request, media_types)
        raw = self._keyless_receiver.receive(request, SMALL_BYTES, _key_not_in_header())
        return parse_body(raw, is_form=request.mimetype == FORM)


def _check_headers(request: Request, media_types: tuple[str, ...]) -> None:
    # A few kilobytes may decompress to gigabytes: the limit of received bytes would not limit the memory.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not supported: send the body without Content-Encoding.")
    # A web page can make its visitor's browser send a body without a Content-Type, or with one of three simple types,
    # to a gateway on localhost, and no preflight request asks the gateway first. JSON is not among the three.
    if request.mimetype not in media_types:
        refused = "multipart/form-data is not supported. " if request.mimetype == "multipart/form-data" else ""
        expected = " or ".join(f"'Content-Type: {name}'" for name in media_types)
        raise UnsupportedMediaType(f"{refused}Send the body as {expected}.")
    if request.mimetype == FORM:
        refuse_cross_site(request)


def _too_large(max_bytes: int) -> InvalidRequest:
    return PayloadTooLarge(f"The body is larger than {max_bytes} bytes. Send the inputs in several requests.")


def _key_not_in_header() -> KeyNotInHeader:
    return KeyNotInHeader(
        f"A body of more than {SMALL_BYTES} bytes can't carry its API key: send the key as "
        "'Authorization: Bearer <key>'."
    )


def _check_connection(request: Request) -> None:
    # A large body may wait for its turn to be parsed, and by then nobody may wait for the answer.
    if disconnect_check(request)():
        raise ClientDisconnected
