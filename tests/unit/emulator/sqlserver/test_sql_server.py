"""Starting and stopping the server, without a driver."""

import socket
import struct
import threading
import time

import pytest
import trustme

from submitter.emulator.sqlserver import Login, SqlServer
from submitter.emulator.sqlserver.catalog import Catalog
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.events import EventLog
from submitter.emulator.sqlserver.faults import SqlFaults
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.session import Session
from submitter.emulator.sqlserver.wire import Message, PacketType


def make_server() -> SqlServer:
    """Make a server that is not started."""
    certificate = trustme.CA().issue_cert("localhost")
    return SqlServer(tls=certificate.configure_cert, logins=[Login("reader", "any")])


def test_stop_is_harmless_before_start_and_afterwards() -> None:
    """A server is stopped as often as anyone likes."""
    server = make_server()
    server.stop()
    server = make_server()
    server.start()
    server.stop()
    server.stop()


def test_stop_ends_clients_that_are_still_before_their_login() -> None:
    """A client that says nothing is hung up on, and its thread ends."""
    server = make_server()
    server.start()
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        while not server._connections:
            threading.Event().wait(0.001)
        threads = list(server._connections.values())
        started = time.monotonic()
        stoppers = [threading.Thread(target=server.stop) for _ in range(3)]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
        assert time.monotonic() - started < 2
        assert not any(thread.is_alive() for thread in threads)
        assert client.recv(1) == b""


def test_the_sockets_of_clients_do_not_wait_to_fill_a_packet() -> None:
    """Small answers leave at once: TCP_NODELAY is set on what was accepted."""
    server = make_server()
    server.start()
    with socket.create_connection((server.host, server.port), timeout=5):
        while not server._connections:
            threading.Event().wait(0.001)
        (connection,) = server._connections
        accepted = connection._transport._socket
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        server.stop()


def test_a_connection_to_a_closed_engine_is_refused_as_sql_server_does() -> None:
    """A login that comes while the server stops gets error 6005."""
    engine = Engine()
    engine.close()
    with pytest.raises(SqlError) as caught:
        engine.connect()
    assert caught.value.number == 6005


def test_a_failure_of_the_emulator_itself_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets an error without the failure's text; the log gets the traceback."""
    engine, catalog, events = Engine(), Catalog(), EventLog()
    for name in ("master", "tempdb"):
        engine.create_database(name)
        catalog.add_database(name)
    interpreter = Interpreter(engine, catalog, database="master", login="reader")

    def fail(*_: object) -> None:
        raise KeyError("a value")

    monkeypatch.setattr(interpreter, "run", fail)
    session = Session(interpreter, SqlFaults(), events, {})
    payload = (4).to_bytes(4, "little") + "SELECT 1".encode("utf-16-le")
    tokens = b"".join(
        item
        for item in session.answer(Message(PacketType.BATCH, 1, payload))
        if isinstance(item, bytes)
    )
    assert "KeyError".encode("utf-16-le") in tokens
    assert "a value".encode("utf-16-le") not in tokens
    assert [event.error for event in events if event.kind == "error"] == [40000]
    assert "Traceback" in caplog.text
    session.close()
    engine.close()


@pytest.mark.parametrize("request_type", [8, 9])
def test_a_transaction_managers_savepoint_is_refused(request_type: int) -> None:
    """TM_SAVE_XACT and a TM_ROLLBACK_XACT that names one (MS-TDS 2.2.6.9)."""
    engine, catalog, events = Engine(), Catalog(), EventLog()
    for name in ("master", "tempdb"):
        engine.create_database(name)
        catalog.add_database(name)
    interpreter = Interpreter(engine, catalog, database="master", login="reader")
    session = Session(interpreter, SqlFaults(), events, {})
    name = "half".encode("utf-16-le")
    request = struct.pack("<IHB", 4, request_type, len(name)) + name + b"\0"
    list(session.answer(Message(PacketType.TRANSACTION_MANAGER, 1, request)))
    assert [event.error for event in events if event.kind == "error"] == [40000]
    session.close()
    engine.close()
