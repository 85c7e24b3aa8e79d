"""Faults of the SQL Server as the real driver meets them."""

import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyodbc
import pytest
from azure.identity import ClientSecretCredential

from remote_entry.sql.odbc import find_driver
from submitter.emulator import Emulator, TokenFault

PASSWORD = "pass;word"
ROWS = "SELECT value FROM GENERATE_SERIES(1, 50000)"
OTHER_TENANT = "99999999-9999-9999-9999-999999999999"
# "Troubleshoot transient connection errors in SQL Database" and "Errors" of the fact sheet.
TRANSIENT = {
    1205: (13, "chosen as the deadlock victim"),
    1222: (16, "Lock request time out"),
    3960: (16, "update conflict"),
    4060: (11, "Cannot open database"),
    4221: (16, "Login to read-secondary failed"),
    8645: (17, "waiting for memory resources"),
    10928: (20, "has been reached"),
    10929: (20, "currently too busy"),
    40197: (17, "has encountered an error processing your request"),
    40501: (20, "currently busy"),
    40613: (17, "not currently available"),
    49918: (16, "Not enough resources"),
    49919: (16, "Too many create or update operations"),
    49920: (16, "Too many operations"),
}
Connect = Callable[..., pyodbc.Connection]


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """Play a server with one login."""
    logins = {"reader": {"password": PASSWORD}}
    with (
        Emulator({"sql": {"logins": logins, "databases": {"db": {}}}}) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in emulator.environ.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture
def connect(azure: Emulator) -> Iterator[Connect]:
    """Make connections, and leave no fault behind."""
    opened: list[pyodbc.Connection] = []

    def open_connection(timeout: int = 5, **settings: Any) -> pyodbc.Connection:
        text = (
            f"Driver={find_driver()};Server={azure.environ['SQL_SERVER']};Database=db;"
            "Encrypt=yes;ConnectRetryCount=0"
        )
        if not settings:
            text += f";UID=reader;PWD={{{PASSWORD}}}"
        opened.append(pyodbc.connect(text, timeout=timeout, autocommit=True, **settings))
        return opened[-1]

    yield open_connection
    azure.sql.faults.clear()
    azure.faults.clear()
    for connection in opened:
        connection.close()


def is_alive(connection: pyodbc.Connection) -> bool:
    """Whether a connection still answers."""
    try:
        return bool(connection.execute("SELECT 1").fetchval() == 1)
    except pyodbc.Error:
        return False


@pytest.mark.parametrize("number", TRANSIENT)
def test_every_transient_error_has_its_own_text(
    azure: Emulator, connect: Connect, number: int
) -> None:
    """At login, at a query and between rows; from severity 20 on the connection is gone."""
    severity, text = TRANSIENT[number]
    azure.sql.faults.add(at="login", error=number)
    with pytest.raises(pyodbc.Error, match=rf"{text}.*\({number}\)"):
        connect()
    for at in ("query", "rows"):
        connection = connect()
        azure.sql.faults.add(at=at, error=number, matching="GENERATE_SERIES")
        with pytest.raises(pyodbc.Error, match=rf"{text}.*\({number}\)"):
            connection.execute(ROWS).fetchall()
        assert [event.error for event in azure.sql.events][-1] == number
        assert is_alive(connection) is (severity < 20)


def test_a_paused_database_wakes_up(azure: Emulator, connect: Connect) -> None:
    """The error comes a few times, then no more."""
    azure.sql.faults.add(at="login", error=40613, times=2)
    for _ in range(2):
        with pytest.raises(pyodbc.Error, match="40613"):
            connect()
    assert is_alive(connect())


def test_a_deadlock_in_mid_stream_comes_after_rows(azure: Emulator, connect: Connect) -> None:
    """What was sent before it stays with the client; the connection lives on."""
    connection = connect()
    azure.sql.faults.add(at="rows", error=1205, after_rows=20_000)
    cursor = connection.execute(ROWS)
    assert len(cursor.fetchmany(20_000)) == 20_000
    with pytest.raises(pyodbc.Error, match="1205"):
        cursor.fetchall()
    assert is_alive(connection)


def test_a_reset_in_mid_stream_ends_the_connection(azure: Emulator, connect: Connect) -> None:
    """The driver says that the link failed."""
    connection = connect()
    azure.sql.faults.add(at="rows", drop=True, after_rows=20_000)
    cursor = connection.execute(ROWS)
    with pytest.raises(pyodbc.OperationalError, match="08S01"):
        cursor.fetchall()
    assert not is_alive(connection)


@pytest.mark.parametrize("at", ["connect", "tls", "login"])
def test_silence_at_login_is_given_up_by_the_driver(
    azure: Emulator, connect: Connect, at: str
) -> None:
    """At each step of it, after the time that the driver was given."""
    azure.sql.faults.add(at=at, silent=True, times=None)
    started = time.monotonic()
    with pytest.raises(pyodbc.OperationalError, match="HYT00|08001"):
        connect(timeout=1)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("at", ["query", "rows"])
def test_silence_at_a_query_is_given_up_by_the_driver(
    azure: Emulator, connect: Connect, at: str
) -> None:
    """Before the first row and after it."""
    connection = connect()
    connection.timeout = 1
    azure.sql.faults.add(at=at, silent=True, matching="GENERATE_SERIES")
    with pytest.raises(pyodbc.OperationalError, match="HYT00"):
        connection.execute(ROWS).fetchall()
    assert is_alive(connection)


def test_silence_does_not_hold_up_the_stop() -> None:
    """A server stops while a login waits."""
    emulator = Emulator({"sql": {"logins": {"reader": {"password": PASSWORD}}}}).start()
    emulator.sql.faults.add(at="login", silent=True)
    text = (
        f"Driver={find_driver()};Server={emulator.environ['SQL_SERVER']};UID=reader;"
        f"PWD={{{PASSWORD}}};TrustServerCertificate=yes"
    )
    with pytest.raises(pyodbc.Error, match="HYT00"):
        pyodbc.connect(text, timeout=1)
    started = time.monotonic()
    emulator.stop()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        ("untrusted", "certificate verify failed.*unable to get local issuer certificate"),
        ("other-host", "certificate verify failed.*subject name does not match host name"),
        ("expired", "certificate verify failed.*certificate has expired"),
    ],
)
def test_a_wrong_certificate_is_refused_by_the_driver(
    azure: Emulator, connect: Connect, certificate: Any, text: str
) -> None:
    """Of an authority that nobody trusts, of another host, of yesterday."""
    azure.sql.faults.add(at="tls", certificate=certificate, times=None)
    with pytest.raises(pyodbc.OperationalError, match=text):
        connect()
    azure.sql.faults.clear()
    assert is_alive(connect())


def test_a_server_that_cannot_encrypt_is_refused_by_the_driver(
    azure: Emulator, connect: Connect
) -> None:
    """The client insists on encryption."""
    azure.sql.faults.add(at="tls", unencrypted=True, times=None)
    with pytest.raises(pyodbc.OperationalError, match="08001.*[Ee]ncryption"):
        connect()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (None, None),
        (TokenFault(seconds=-60), "Token is expired.*18456"),
        (TokenFault(tenant=OTHER_TENANT), "18456"),
    ],
)
def test_a_token_logs_in_unless_something_is_wrong_with_it(
    azure: Emulator, connect: Connect, fault: TokenFault | None, text: str | None
) -> None:
    """An expired one and one of another tenant are refused as a wrong password is."""
    if fault is not None:
        azure.faults.add("entra", "POST", token=fault)
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    with ClientSecretCredential(*(azure.environ[name] for name in names)) as credential:
        token = credential.get_token("https://database.windows.net/.default").token
    encoded = token.encode("utf-16-le")
    attributes = {1256: struct.pack("<I", len(encoded)) + encoded}
    if text is None:
        assert is_alive(connect(attrs_before=attributes))
        assert [event for event in azure.sql.events if event.kind == "login"][-1].by_token
    else:
        with pytest.raises(pyodbc.InterfaceError, match=text):
            connect(attrs_before=attributes)
    assert token not in repr(list(azure.sql.events))
