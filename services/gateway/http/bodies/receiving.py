"""Receives the bytes of a body, within limits of its size, of time and of all bodies together."""

import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import gevent
from flask import Request, Response, g
from gunicorn.http.errors import ParseException

from contracts.errors import MalformedBody, TriptychError
from services.gateway.http.bodies.budget import BodyBudget, Reservation
from services.gateway.http.errors import BodyTimeout
from services.gateway.http.request_facts import facts_of
from services.gateway.offload.errors import GatewayBusy

_FIRST_STEP_BYTES, _MAX_STEP_BYTES = 4 * 1024, 256 * 1024
_GIVEN_UP = "The body arrived slowly while the gateway had no room. Nothing was accepted; try again shortly."


class BodyReceiver:
    """Receives bodies within a limit of time. ``budget`` is that of all bodies together."""

    def __init__(self, timeout_s: float, budget: BodyBudget) -> None:
        self._timeout_s = timeout_s
        self._budget = budget

    def receive(self, request: Request, max_bytes: int, too_large: TriptychError) -> bytes:
        """Return the whole body. Its bytes count in the budget until ``release_body``.

        Raises:
            TriptychError: ``too_large``, if it is longer than ``max_bytes``.
            BodyTimeout, MalformedBody: it did not arrive in time, or not completely.
            GatewayBusy, GatewayShareReached: there is no room for it.
        """
        length = request.content_length
        # Checked before the body is read: a body that is refused anyway costs no memory and no time.
        if length is not None and length > max_bytes:
            raise too_large
        # Looked up here: the budget gives bodies up from a greenlet of its own, where Flask knows no request.
        connection = request.environ.get("gunicorn.socket")
        give_up = partial(_end_reading, connection)
        most_bytes, owner = max_bytes if length is None else length, facts_of(request.environ).owner
        g.body = reservation = self._budget.reserve(give_up, most_bytes=most_bytes, owner=owner)
        # gunicorn's own stream. werkzeug's wrapper would enforce a limit again that is checked here.
        stream = request.environ["wsgi.input"]
        pieces: list[bytes] = []
        try:
            # One timeout for the whole body. With one for each read, a byte a second would keep the request open.
            with gevent.Timeout(self._timeout_s, _too_slow(self._timeout_s)):
                # A body that does not announce its length is measured while it arrives: one byte more is too many.
                pieces.extend(_pieces(stream, max_bytes + 1 if length is None else length, reservation))
        except (OSError, ParseException) as error:
            raise _incomplete(reservation, "The body ended early, or its chunked encoding is broken.") from error
        finally:
            facts_of(request.environ).bytes_in = sum(map(len, pieces))
        reservation.complete()
        if reservation.given_up:  # its last bytes came nevertheless, but the connection has been closed for reading
            raise GatewayBusy(_GIVEN_UP)
        if reservation.num_bytes > max_bytes:
            raise too_large
        if length is None or reservation.num_bytes == length:
            return b"".join(pieces)
        raise _incomplete(reservation, "The body ended early: it is shorter than its Content-Length.")


def release_body() -> None:
    """Stop counting the body of this request, if it has one: it is stored, and no longer needed here."""
    reservation: Reservation | None = g.get("body")
    if reservation:
        reservation.release()


def keep_body() -> None:
    """Count the body of this request, if it has one, as that of a request that waits for its job or streams it.

    Raises:
        GatewayBusy, GatewayShareReached: too many such requests have large bodies.
    """
    reservation: Reservation | None = g.get("body")
    if reservation:
        reservation.move_to_waiting()


def release_at_end(response: Response) -> Response:
    """Release the body of this request, whatever became of it, when its response or stream has ended."""
    reservation: Reservation | None = g.get("body")
    if reservation:
        response.call_on_close(reservation.release)
    return response


def _too_slow(timeout_s: float) -> BodyTimeout:
    return BodyTimeout(
        f"The body took longer than {timeout_s:g} s to arrive. Send it again, or its inputs in several requests."
    )


def _incomplete(reservation: Reservation, problem: str) -> TriptychError:
    return GatewayBusy(_GIVEN_UP) if reservation.given_up else MalformedBody(problem)


def _pieces(stream: Any, most: int, reservation: Reservation) -> Iterator[bytes]:
    """Yield up to ``most`` bytes of the body in pieces, which are counted before they are read."""
    step = _FIRST_STEP_BYTES
    while reservation.num_bytes < most:
        wanted = min(step, most - reservation.num_bytes)
        reservation.add(wanted)
        piece = stream.read(wanted)
        if len(piece) < wanted:
            reservation.give_back(wanted - len(piece))
        if not piece:
            return
        yield piece
        # A fast client's bytes are all here already, and reading them would never let others have their turn.
        gevent.sleep(0)
        # Small at first, so that a client that sends nothing holds next to nothing; then gunicorn copies less.
        step = min(2 * step, _MAX_STEP_BYTES)


def _end_reading(connection: socket.socket | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):  # the client may have gone
            connection.shutdown(socket.SHUT_RD)
