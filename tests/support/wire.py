"""A wire between a client and a server of this machine, which can be cut at any byte."""

import contextlib
import selectors
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() answers with RST


class Wire:
    """Listens on a port of its own and passes everything on.

    Args:
        port: Where the server listens.

    Attributes:
        port: Where clients find it, also after it was away.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener: socket.socket | None = None
        self._cut: tuple[int, bool] | None = None
        self.port = 0
        self.come_back()

    @property
    def is_whole(self) -> bool:
        """Whether no cut that was asked for is still to come."""
        return self._cut is None

    def cut(self, after: int, *, reset: bool) -> None:
        """Cut the first connection on which the server has sent so many bytes, once.

        Args:
            after: Bytes.
            reset: With a reset; else it is closed as if all had been said.
        """
        self._cut = (after, reset)

    def go_away(self) -> None:
        """Reset all connections, and refuse new ones."""
        with self._lock:
            listener, self._listener = self._listener, None
            pairs = list(self._pairs)
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut_all(self) -> None:
        """Reset all connections."""
        self.go_away()
        self.come_back()

    def mend(self) -> None:
        """Be there, and whole."""
        self._cut = None
        if self._listener is None:
            self.come_back()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # it went away
            server = socket.create_connection(("127.0.0.1", self._server))
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        pair = (client, server)
        with self._lock:
            self._pairs.add(pair)
        sent = 0
        with contextlib.suppress(OSError), selectors.DefaultSelector() as both:
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in both.select():
                    end: socket.socket = key.data
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        raise ConnectionError
                    if end is client and self._cut and sent + len(data) > self._cut[0]:
                        (after, reset), self._cut = self._cut, None
                        end.sendall(data[: after - sent])
                        if reset:
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        raise ConnectionError
                    end.sendall(data)
                    sent += len(data) if end is client else 0
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            end.close()
