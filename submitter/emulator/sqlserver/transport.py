"""A socket with TLS on it: inside PRELOGIN packets for TDS 7.x, below everything for TDS 8.0.

In TDS 7.x the handshake travels as the payload of PRELOGIN packets and the encrypted stream
does not (MS-TDS 3.3.5.1), which no TLS socket class can do: hence memory BIOs.
"""

import contextlib
import select
import socket
import ssl
import struct

from submitter.emulator.sqlserver.wire import HEADER, PacketType, ProtocolError, frame

_CHUNK = 1 << 16
_LARGEST_WRITE = 1 << 22
_TLS_HANDSHAKE = 0x16


class ConnectionLostError(Exception):
    """The other side is gone."""


class Transport:
    """Bytes to and from one client.

    Args:
        connection: The accepted socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()

    @property
    def encryption(self) -> str:
        """The TLS version, empty before TLS."""
        return (self._tls.version() or "") if self._tls is not None else ""

    def begins_with_tls(self) -> bool:
        """Whether the client speaks TLS from its first byte on, as TDS 8.0 does."""
        first = self._socket.recv(1, socket.MSG_PEEK)
        if not first:
            raise ConnectionLostError("the client left before its first byte")
        return first[0] == _TLS_HANDSHAKE

    def start_tls(self, context: ssl.SSLContext, *, in_packets: bool) -> None:
        """Run the handshake.

        Args:
            context: The server's side.
            in_packets: Whether it travels in PRELOGIN packets.

        Raises:
            ConnectionLostError: The client refused, for example our certificate.
        """
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                self._send_handshake(in_packets=in_packets)
                break
            except ssl.SSLWantReadError:
                self._send_handshake(in_packets=in_packets)
                self._incoming.write(self._handshake_bytes(in_packets=in_packets))
            except ssl.SSLError as problem:
                raise ConnectionLostError(f"TLS handshake: {problem.reason}") from None
        self._tls = tls

    def receive(self) -> bytes:
        """Wait for bytes.

        Raises:
            ConnectionLostError: There will be none.
        """
        if self._tls is None:
            return self._raw()
        while True:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                self._incoming.write(self._raw())
                continue
            except ssl.SSLError as problem:
                raise ConnectionLostError(f"TLS: {problem.reason}") from None
            if not data:
                raise ConnectionLostError("the client closed TLS")
            return data

    def send(self, data: bytes) -> None:
        """Send all of it."""
        if self._tls is None:
            self._socket.sendall(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), _LARGEST_WRITE):
            self._tls.write(view[start : start + _LARGEST_WRITE])
            self._socket.sendall(self._outgoing.read())

    def has_input(self) -> bool:
        """Whether bytes wait that were received and not yet given out."""
        return self._tls is not None and bool(self._tls.pending() or self._incoming.pending)

    def wait(self, wake: socket.socket | None, seconds: float | None) -> tuple[bool, bool]:
        """Wait for the client or for another thread.

        Returns:
            Whether the client sent something, and whether the wake-up socket was written to.
        """
        if self.has_input():
            return True, False
        watched = [self._socket] if wake is None else [self._socket, wake]
        readable, _, _ = select.select(watched, [], [], seconds)
        return self._socket in readable, wake is not None and wake in readable

    def reset(self) -> None:
        """Close with a TCP reset instead of a farewell."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def shut_down(self) -> None:
        """End both directions; whoever waits on the socket wakes up."""
        with contextlib.suppress(OSError):  # the client was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close; for the thread that uses the socket, so that no other gets its number."""
        self.shut_down()
        self._socket.close()

    def _raw(self) -> bytes:
        try:
            data = self._socket.recv(_CHUNK)
        except OSError as problem:
            raise ConnectionLostError(str(problem)) from None
        if not data:
            raise ConnectionLostError("the client closed the connection")
        return data

    def _raw_exactly(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            data = self._socket.recv(length - len(received))
            if not data:
                raise ConnectionLostError("the client left during the handshake")
            received += data
        return bytes(received)

    def _send_handshake(self, *, in_packets: bool) -> None:
        data = self._outgoing.read()
        if data:
            self._socket.sendall(frame(PacketType.PRELOGIN, data) if in_packets else data)

    def _handshake_bytes(self, *, in_packets: bool) -> bytes:
        if not in_packets:
            return self._raw()
        kind, _, length = HEADER.unpack(self._raw_exactly(HEADER.size))[:3]
        if kind != PacketType.PRELOGIN or length < HEADER.size:
            raise ProtocolError("the TLS handshake did not come in PRELOGIN packets")
        return self._raw_exactly(length - HEADER.size)
