"""The process that serves requests: one greenlet a connection, so a slow client or a long poll holds up nobody."""

import contextlib
import errno
import faulthandler
import itertools
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import Any

import gevent
from gevent import monkey
from gunicorn.http import wsgi
from gunicorn.workers.ggevent import GeventWorker

from services.gateway.http.request_facts import RequestFacts, new_request_id
from services.gateway.server import bad_requests, unread_body
from services.gateway.server.arbiter import STOP_SIGNALS
from services.gateway.server.chunked_body import parse_in_turns
from services.gateway.server.polling import QuickPoll
from services.gateway.server.strict_http import DiscreetResponse, check_head

logger = logging.getLogger(__name__)
_PlainSocket: Any = monkey.get_original("socket", "socket")
STOP_GRACE_S = 2.0
"""How long a stop waits for first requests, and for answers that are nearly there.

gunicorn goes on to accept connections for up to half of it."""
CROWDED = 0.9
"""Share of the connections a process may have from which on a new one costs the place of one that sends nothing."""
RETRY_START_S = 1.0
"""The arbiter starts the next process at once when one has ended."""


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker; when it is crowded, or stops, it ends idle connections, and its errors are JSON."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._num_open = 0
        self._idle: dict[socket.socket, None] = {}
        """Those between two requests, the longest idle first, and those without a request so far."""
        self._new: dict[socket.socket, None] = {}
        """Those without a request so far, the oldest first."""
        self.slot = 0
        """Where this process counts; set before the fork."""

    def init_signals(self) -> None:
        """Set the handlers, and let through the signals that came before there were any."""
        super().init_signals()
        # The arbiter sends SIGABRT to a process that hangs. gunicorn would end the request that holds the loop, with an
        # answer of its own, and go on. This writes to the log where the process hangs, and ends it.
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        faulthandler.enable()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def patch(self) -> None:
        """Replace what blocks in the standard library by what makes one greenlet wait."""
        super().patch()
        setattr(select, "poll", QuickPoll)  # noqa: B010 - typed as a class that can't be replaced

    def init_process(self) -> None:
        """Make the app and serve until the end.

        gunicorn stops the whole gateway if a process can't make its app: right at the first start. Later the others
        serve, and one that could not take the place of another, for want of memory, is replaced in its turn.
        """
        # The class by this name makes all responses; gunicorn has no option for it.
        wsgi.Response = DiscreetResponse
        # Options don't change any more. gunicorn looks some forty of them up for each request, by a slow way that is
        # not taken where they are attributes.
        self.cfg.__dict__.update({name: option.get() for name, option in self.cfg.settings.items()})
        try:
            super().init_process()
        except Exception:
            if self.booted or self.age <= self.cfg.workers:
                raise
            logger.exception("this process could not start")
            time.sleep(RETRY_START_S)
            sys.exit(1)

    def load_wsgi(self) -> None:
        """Make the app, and tell the arbiter meanwhile that this process is alive: the store may answer slowly."""
        beat = gevent.spawn(self._beat)
        super().load_wsgi()
        beat.kill()

    def _beat(self) -> None:
        while True:
            self.notify()
            gevent.sleep(1)

    def run(self) -> None:
        """Serve, unless a signal came while the app was made."""
        if self.alive:
            super().run()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop accepting connections. Running requests finish, and those that wait for a job get it as it is."""
        super().handle_exit(sig, frame)
        if self.booted:
            # A signal handler may interrupt any code, so it must not take locks. A new greenlet runs in its own turn.
            gevent.spawn(self._end_waits)

    def _end_waits(self) -> None:
        backend = self.wsgi.extensions["backend"]
        backend.begin_stop()
        self._end_reading(connection for connection in self._idle if connection not in self._new)
        # Who has just connected is about to send a request, and no other process will get it. Most answers take less.
        gevent.sleep(STOP_GRACE_S)
        backend.stop()
        self._end_reading(self._idle)

    @staticmethod
    def _end_reading(connections: Iterable[socket.socket]) -> None:
        # A copy, since connections leave the collection while others are shut down.
        for connection in list(connections):
            # The greenlet of an idle connection would delay the stop for KEEPALIVE_S. This ends its read. gevent's own
            # shutdown would end it by an error, which gunicorn logs with a traceback for each connection.
            with contextlib.suppress(OSError), _PlainSocket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RD)

    def _make_room(self) -> None:
        """Close the connection that has sent nothing for longest, if there are nearly as many as there may be.

        Otherwise whoever connects and sends nothing would keep all others out. Those without any request come first:
        a client that means to use its connection sends one at once.
        """
        if self._num_open > CROWDED * self.cfg.worker_connections:
            self._end_reading(itertools.islice(itertools.chain(self._new, self._idle), 1))

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection, and note while it is idle between two requests."""
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that reads nothing would hold its stream for ever. gevent can't see whether what it sends is
            # acknowledged; the kernel can, and ends the connection after this time.
            timeout_ms = round(self.wsgi.extensions["send_timeout_s"] * 1000)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        self._num_open += 1
        self._make_room()
        # Idle from the start: a client may connect and send nothing for a while.
        self._idle[client] = self._new[client] = None
        try:
            super().handle(listener, client, addr)
        finally:
            self._num_open -= 1
            self._idle.pop(client, None)
            self._new.pop(client, None)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serve one request."""
        self._idle.pop(sock, None)
        self._new.pop(sock, None)
        check_head(req)
        parse_in_turns(req.body)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as error:
            # gunicorn ignores a reset connection, and would log any other error with a traceback.
            raise ConnectionResetError(errno.ECONNRESET, "the client does not read its response") from error
        if not unread_body.drop(req.body):
            raise StopIteration  # gunicorn closes the connection
        self._idle[sock] = None
        # The client's next requests may be here already, hundreds of them, and nothing in between would wait.
        gevent.sleep(0)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Respond with an error to a request that is not valid HTTP, or that failed outside of the app."""
        refusal = bad_requests.refusal_of(exc)
        code = "internal_error" if refusal.status == 500 else "bad_http"
        facts = RequestFacts(new_request_id(), error_code=code, status=refusal.status, bytes_out=len(refusal.body))
        if refusal.status == 500:
            logger.error("request failed", exc_info=exc, extra={"request_id": facts.id})
        try:
            client.sendall(refusal.encode(facts.id))
        except OSError:
            self.log.debug("the client disconnected before the error was sent")
        self.log.requests.add(facts)
