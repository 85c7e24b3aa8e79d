"""One thread with an event loop: the TLS server behind all played names, and the gateway to it.

Beside it a plain HTTP server, for the one endpoint that Azure serves so: managed identity.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from submitter.emulator.errors import StartError
from submitter.emulator.gateway import Gateway

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 30
# Idle connections of real clients live for minutes; Azure's front ends keep them about as long.
KEEP_ALIVE_SECONDS = 240


class Server:
    """Serves an ASGI application over TLS, behind a gateway, on loopback.

    Its address is known, and connections queue, from the moment it is made.

    Args:
        context: The TLS context with the certificate of all played names.
        egress: Where the gateway notes what it refused.
    """

    def __init__(self, context: ssl.SSLContext, egress: list[str]) -> None:
        self._context = context
        self._egress = egress
        self._listener = _listen()
        self._plain_listener = _listen()
        self.proxy_url = _address(self._listener)
        self.plain_url = _address(self._plain_listener)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def start(self, application: ASGIApp, plays: Callable[[str], bool]) -> None:
        """Serve until `stop`.

        Args:
            application: Answers the requests.
            plays: Says whether a host name is played.

        Raises:
            StartError: The server did not come up.
        """
        self._thread = threading.Thread(
            target=self._run, args=(application, plays), name="emulator-server", daemon=True
        )
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_SECONDS) or self._failure is not None:
            raise StartError(
                f"The emulator's HTTP server did not start within {START_TIMEOUT_SECONDS} s."
            ) from self._failure

    def stop(self) -> None:
        """Close every connection and end the thread; stopping twice is fine."""
        self._listener.close()
        self._plain_listener.close()
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, application: ASGIApp, plays: Callable[[str], bool]) -> None:
        try:
            asyncio.run(self._serve(application, plays))
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits in start()
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self, application: ASGIApp, plays: Callable[[str], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        tls_listener = _listen()
        web_servers = [
            uvicorn.Server(_uvicorn_config(application, context))
            for context in (self._context, None)
        ]
        gateway = Gateway(plays, tls_listener.getsockname()[1], self._egress)
        serving = [
            asyncio.create_task(web_server.serve(sockets=[listener]))
            for web_server, listener in zip(
                web_servers, (tls_listener, self._plain_listener), strict=True
            )
        ]
        with tls_listener:
            async with await gateway.start(self._listener):
                self._started.set()
                await self._stopping.wait()
                await gateway.stop()
            for web_server in web_servers:
                web_server.should_exit = True
                # Without it uvicorn waits for requests that a fault rule keeps waiting.
                web_server.force_exit = True
            await asyncio.gather(*serving)


def _uvicorn_config(application: ASGIApp, context: ssl.SSLContext | None) -> uvicorn.Config:
    """Return how to serve, over TLS if there is a context for it."""
    return uvicorn.Config(
        application,
        http=_ConnectionAwareProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )


def _listen() -> socket.socket:
    """Bind a free port on loopback.

    With the protocol named, unlike `socket.create_server`: asyncio turns Nagle's algorithm off only
    for sockets that say they are TCP, and with it on every answer's body comes 40 ms late.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((LOOPBACK, 0))
    listener.listen(512)
    return listener


def _address(listener: socket.socket) -> str:
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}"


class _ConnectionAwareProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, with the transport in the scope so that faults can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        application = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), "emulator.transport": transport}
            await application(scope, receive, send)

        self.app = with_transport
