"""A way to the store on which connections can fall silent: nothing comes any more, and nobody is told."""

import selectors
import socket
import threading

from tests.support.valkey import ValkeyServer, free_port

_CHUNK = 65536


class Way:
    """Forwards connections from a port of its own to a server, until ``close``."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self._silent = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the server by this way."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def silence(self) -> None:
        """Let all connections that there are fall silent, and later ones not."""
        self._silent = True
        while self._silent and self._thread.is_alive():
            self._closing.wait(0.01)

    def close(self) -> None:
        """Close everything."""
        self._closing.set()
        self._thread.join()
        for each in (self._listener, *self._pairs):
            each.close()

    def _forward(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._closing.is_set():
                for key, _ in selector.select(0.05):
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    else:
                        self._pass_on(selector, key.fileobj)  # type: ignore[arg-type]
                if self._silent:  # they stay open, but nobody listens to them
                    for each in list(selector.get_map().values()):
                        if each.fileobj is not self._listener:
                            selector.unregister(each.fileobj)
                    self._silent = False

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server.port))
        self._pairs |= {client: server, server: client}
        for each in (client, server):
            selector.register(each, selectors.EVENT_READ)

    def _pass_on(self, selector: selectors.BaseSelector, source: socket.socket) -> None:
        try:
            data = source.recv(_CHUNK)
            self._pairs[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            for each in (source, self._pairs[source]):
                if each in selector.get_map():
                    selector.unregister(each)
                each.close()
