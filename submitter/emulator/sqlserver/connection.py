"""One client's connection: login, then requests, each answered while a cancel is watched for.

The thread of the connection reads and writes; a worker computes the next piece of the answer
meanwhile. So a cancel or a lost client is seen at once, whatever the engine is doing.
"""

import concurrent.futures
import contextlib
import dataclasses
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping

from submitter.emulator.sqlserver import login
from submitter.emulator.sqlserver.errors import ConnectionDroppedError, SqlError
from submitter.emulator.sqlserver.events import Event, EventLog
from submitter.emulator.sqlserver.faults import Certificate, Fault, Place, SqlFaults
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.login import Gatekeeper, LoginRequest
from submitter.emulator.sqlserver.outcomes import EncodedResult, Pause
from submitter.emulator.sqlserver.session import Answer, Session
from submitter.emulator.sqlserver.transport import ConnectionLostError, Transport
from submitter.emulator.sqlserver.wire import (
    Message,
    MessageReader,
    PacketType,
    PacketWriter,
    ProtocolError,
    frame,
)

_INTERRUPT_INTERVAL = 0.02
# Some drivers hold Python's lock while they wait for the rest of an answer. If the server runs
# in the same process, it can only go on if the answer was handed over in one piece.
_PORTION = 1 << 20


@dataclasses.dataclass(frozen=True)
class Contexts:
    """TLS for both versions of the protocol: inside PRELOGIN, and from the first byte on."""

    in_packets: ssl.SSLContext
    direct: ssl.SSLContext


@dataclasses.dataclass(frozen=True)
class Server:
    """What all connections of a server share."""

    tls: Callable[[Certificate | None], Contexts]
    gatekeeper: Gatekeeper
    databases: Callable[[], Collection[str]]
    open_session: Callable[[LoginRequest, str, int], Interpreter]
    faults: SqlFaults
    events: EventLog
    canned: Mapping[str, EncodedResult]


class Connection:
    """Serves one client until it leaves.

    Args:
        accepted: Its socket.
        server: What is shared.
        session_id: @@SPID.
    """

    def __init__(self, accepted: socket.socket, server: Server, session_id: int) -> None:
        self._transport = Transport(accepted)
        self._server = server
        self._session_id = session_id
        self._reader = MessageReader()
        self._packet_size = login.DEFAULT_PACKET_SIZE
        self._session: Session | None = None
        self._worker: concurrent.futures.ThreadPoolExecutor | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._pending: concurrent.futures.Future[_Portion] | None = None

    def serve(self) -> None:
        """Serve; returns when the client is gone or was turned away."""
        try:
            session = self._log_in()
            if session is not None:
                self._session = session
                self._worker = concurrent.futures.ThreadPoolExecutor(
                    1, thread_name_prefix=f"sql-{self._session_id}"
                )
                while True:
                    self._respond(session, self._next_message())
        except ConnectionDroppedError:
            self._transport.reset()
        except (ConnectionLostError, ProtocolError, OSError, ValueError) as problem:
            self._note("lost", str(problem))
        except SqlError:
            pass  # the client has been told, and the severity ends the connection
        finally:
            self.close()

    def stop(self) -> None:
        """End the connection from another thread; the thread that serves cleans up."""
        self._transport.shut_down()
        self._wake()

    def close(self) -> None:
        """Let go of everything; for the thread that serves, or before it began."""
        if self._session is not None:
            self._finish_worker(self._session)
            self._session.close()
        if self._worker is not None:
            self._worker.shutdown()
        self._transport.close()
        self._wake_reader.close()
        self._wake_writer.close()

    # Login.

    def _log_in(self) -> Session | None:
        self._strike("connect")
        strict = self._transport.begins_with_tls()
        fault = self._strike("tls") or Fault()
        tls = self._server.tls(fault.certificate)
        if strict:
            self._transport.start_tls(tls.direct, in_packets=False)
        message = self._expect(PacketType.PRELOGIN)
        answer = login.prelogin_answer(
            message.payload, already_encrypted=strict, can_encrypt=not fault.unencrypted
        )
        self._transport.send(frame(PacketType.REPLY, answer))
        if not strict:
            self._transport.start_tls(tls.in_packets, in_packets=True)
        request = login.parse_login(self._expect(PacketType.LOGIN).payload)
        self._server.events.add(
            Event(
                "login",
                self._session_id,
                user=request.user,
                application=request.application,
                database=request.database or "master",
                host=request.host,
                encrypted=self._transport.encryption,
                by_token=request.access_token is not None,
            )
        )
        try:
            self._strike("login")
            name = self._server.gatekeeper.admit(request, self._server.databases())
        except SqlError as problem:
            self._note("error", problem.message, problem.number)
            self._send_whole(login.refusal(problem))
            return None
        interpreter = self._server.open_session(request, name, self._session_id)
        self._send_whole(login.acceptance(request, interpreter.namespace.database))
        self._packet_size = request.packet_size
        return Session(interpreter, self._server.faults, self._server.events, self._server.canned)

    def _expect(self, kind: PacketType) -> Message:
        message = self._next_message()
        if message.kind != kind:
            raise ProtocolError(f"expected {kind.name}, got a message of the type {message.kind}")
        return message

    def _strike(self, place: Place) -> Fault | None:
        """Do what a rule asks for here; return the fault if the client is still served."""
        fault = self._server.faults.take(place)
        if fault is None:
            return None
        deadline = time.monotonic() + fault.delay
        while (left := deadline - time.monotonic()) > 0:
            # The client's bytes stay unread; the wait ends early only if the server stops.
            _, woken = self._wait_for_wake(left)
            if woken:
                raise ConnectionLostError("the server stopped")
        fault.strike()
        return fault

    def _wait_for_wake(self, seconds: float) -> tuple[bool, bool]:
        self._wake_reader.settimeout(seconds)
        try:
            self._wake_reader.recv(1)
        except TimeoutError:
            return False, False
        return False, True

    # Requests.

    def _respond(self, session: Session, message: Message) -> None:
        if message.ignored:
            return
        writer = PacketWriter(self._packet_size, self._session_id)
        if message.kind == PacketType.ATTENTION:
            writer.add(session.cancelled())
            self._transport.send(writer.finish())
            return
        answer = session.answer(message)
        try:
            cancelled = self._stream(answer, writer)
        except SqlError:
            self._transport.send(writer.finish())
            raise
        if cancelled:
            self._finish_worker(session)
            answer.close()
            writer.add(session.cancelled())
        self._transport.send(writer.finish())

    def _stream(self, answer: Answer, writer: PacketWriter) -> bool:
        """Send an answer piece by piece; return whether it was cancelled."""
        pending = self._ask(answer)
        while True:
            if self._cancel_arrives(pending, None):
                return True
            portion = pending.result()
            if not portion.is_last and portion.pause is None:
                pending = self._ask(answer)  # computed while this one is sent
            self._transport.send(writer.add(portion.tokens))
            if portion.end is not None:
                self._transport.send(writer.full_packets())
                raise portion.end
            if portion.is_last:
                return False
            if portion.pause is not None:
                self._transport.send(writer.full_packets())
                if self._cancel_arrives(None, portion.pause):
                    return True
                pending = self._ask(answer)

    def _ask(self, answer: Answer) -> "concurrent.futures.Future[_Portion]":
        """Have the worker compute the next portion."""
        if self._worker is None:
            raise ConnectionLostError("the connection is closed")
        future = self._worker.submit(_portion, answer)
        future.add_done_callback(lambda _: self._wake())
        self._pending = future
        return future

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the connection is closing and nobody waits
            self._wake_writer.send(b"\0")

    def _cancel_arrives(
        self,
        pending: "concurrent.futures.Future[_Portion] | None",
        seconds: float | None,
    ) -> bool:
        """Wait for the worker, or for some seconds; return True as soon as a cancel comes."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while pending is None or not pending.done():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if left == 0.0:
                return False
            arrived, woken = self._transport.wait(self._wake_reader, left)
            if woken:
                self._wake_reader.recv(4096)
            if arrived and self._is_cancel(self._receive_message()):
                return True
        arrived, _ = self._transport.wait(None, 0)
        return arrived and self._is_cancel(self._receive_message())

    def _is_cancel(self, message: Message | None) -> bool:
        if message is None:
            return False
        if message.kind != PacketType.ATTENTION:
            raise ProtocolError(
                "a request came before the last one was answered; MARS is not played"
            )
        return True

    def _finish_worker(self, session: Session) -> None:
        """Stop what the worker does; its answer is not wanted any more."""
        while self._pending is not None and not self._pending.done():
            session.interrupt()
            concurrent.futures.wait([self._pending], timeout=_INTERRUPT_INTERVAL)

    def _next_message(self) -> Message:
        while True:
            message = self._receive_message(wait=False)
            if message is not None:
                return message
            self._reader.receive(self._transport.receive())

    def _receive_message(self, *, wait: bool = True) -> Message | None:
        if wait:
            self._reader.receive(self._transport.receive())
        return self._reader.next_message()

    def _send_whole(self, tokens: bytes) -> None:
        writer = PacketWriter(self._packet_size, self._session_id)
        self._transport.send(writer.add(tokens) + writer.finish())

    def _note(self, kind: str, text: str, error: int | None = None) -> None:
        noted: Event = Event(
            "error" if kind == "error" else "lost", self._session_id, text=text, error=error
        )
        self._server.events.add(noted)


@dataclasses.dataclass(frozen=True)
class _Portion:
    """A part of an answer: tokens, then a pause, the end, or just more to come.

    The end may be that of the connection too, after what came before it has been sent.
    """

    tokens: bytes
    pause: float | None = None
    is_last: bool = False
    end: SqlError | ConnectionDroppedError | None = None


def _portion(answer: Answer) -> _Portion:
    """Collect tokens up to a size worth sending, so that threads seldom change hands."""
    tokens = bytearray()
    try:
        for item in answer:
            if isinstance(item, Pause):
                return _Portion(bytes(tokens), pause=item.seconds)
            tokens += item
            if len(tokens) >= _PORTION:
                return _Portion(bytes(tokens))
    except (SqlError, ConnectionDroppedError) as end:
        return _Portion(bytes(tokens), is_last=True, end=end)
    return _Portion(bytes(tokens), is_last=True)
