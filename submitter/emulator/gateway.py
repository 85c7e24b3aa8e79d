"""The way from a client to the emulator: an HTTP proxy that knows only the played host names.

`HTTPS_PROXY` sends every HTTPS connection of an unmodified client here as `CONNECT host:443`
(RFC 9110, section 9.3.6). A played host is spliced through to the emulator's one TLS server, which
picks its certificate's name apart no further: one certificate carries all names. Anything else is
refused with 403 and noted, so that nothing ever leaves the machine.
"""

import asyncio
import contextlib
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable

from submitter.emulator.timestamps import iso, now

CHUNK = 1 << 18
HEAD_TIMEOUT_SECONDS = 30


class Gateway:
    """A CONNECT proxy on asyncio.

    Args:
        plays: Says whether a host name is played.
        target_port: The loopback port of the TLS server.
        egress: Where refused requests are noted.
    """

    def __init__(self, plays: Callable[[str], bool], target_port: int, egress: list[str]) -> None:
        self._plays = plays
        self._target_port = target_port
        self._egress = egress
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> asyncio.Server:
        """Accept clients on a bound socket."""
        return await asyncio.start_server(self._serve, sock=listener, limit=CHUNK)

    async def stop(self) -> None:
        """Cut every connection that is still open."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = asyncio.current_task()
        if connection is not None:
            self._connections.add(connection)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                await self._connect(reader, writer)
        except asyncio.CancelledError:
            # The emulator stops. asyncio's stream server would report a cancelled handler.
            pass
        finally:
            if connection is not None:
                self._connections.discard(connection)
            writer.transport.abort()

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT_SECONDS)
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target = rest.split(" ")[0]
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or port != "443" or not self._plays(host):
            # Only scheme and host of a plain request are kept: its query may hold anything.
            noted = target if method == "CONNECT" else "/".join(target.split("/")[:3])
            self._egress.append(f"{iso(now())} refused {method} {noted}")
            writer.write(
                b"HTTP/1.1 403 Not played by the emulator\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            return
        target_reader, target_writer = await asyncio.open_connection(
            "127.0.0.1", self._target_port, limit=CHUNK
        )
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _splice((reader, writer), (target_reader, target_writer))
        finally:
            target_writer.transport.abort()


async def _splice(
    client: tuple[StreamReader, StreamWriter], target: tuple[StreamReader, StreamWriter]
) -> None:
    """Copy both ways until both sides have said all they had to say, or one is gone."""
    ways = [
        asyncio.create_task(_copy(client[0], target[1], acknowledge=client[1])),
        asyncio.create_task(_copy(target[0], client[1])),
    ]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()


async def _copy(
    reader: StreamReader, writer: StreamWriter, *, acknowledge: StreamWriter | None = None
) -> None:
    """Copy one way; an end of input is passed on as one."""
    while data := await reader.read(CHUNK):
        if acknowledge is not None:
            _acknowledge_at_once(acknowledge)
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


def _acknowledge_at_once(writer: StreamWriter) -> None:
    """Ask the kernel not to delay the next acknowledgement.

    urllib3 leaves Nagle's algorithm on for connections through a proxy, and writes headers and body
    of a POST apart: the body waits for an acknowledgement that Linux delays by 40 ms. The option
    does not stick (tcp(7)), hence once per read.
    """
    quick_acknowledgement = getattr(socket, "TCP_QUICKACK", None)
    peer = writer.get_extra_info("socket")
    if quick_acknowledgement is not None and peer is not None:
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, quick_acknowledgement, 1)
