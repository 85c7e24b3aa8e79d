"""What a session learns of itself and of its permissions, and what it is refused."""

from collections.abc import Callable, Iterator
from typing import Any

import pyodbc
import pytest

from remote_entry.sql.odbc import find_driver
from submitter.emulator import ConfigError, Emulator

PASSWORD = "pass;word"
LOGINS: dict[str, Any] = {
    "owner": {"password": PASSWORD},
    "reader": {"password": PASSWORD, "permissions": ["CONNECT", "SELECT"]},
    "member": {"password": PASSWORD, "permissions": ["db_datareader", "db_datawriter"]},
    "narrow": {
        "password": PASSWORD,
        "permissions": ["SELECT ON dbo.flights", "INSERT ON SCHEMA::landing"],
    },
    "nobody": {"password": PASSWORD, "permissions": []},
}
Connect = Callable[[str], pyodbc.Connection]


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """Play two schemas with a table each."""
    with (
        Emulator({"sql": {"logins": LOGINS, "databases": {"db": {}}}}) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", emulator.environ["SSL_CERT_FILE"])
        connection = open_connection(emulator, "owner")
        connection.execute("CREATE TABLE flights (id int)")
        connection.execute("INSERT INTO flights VALUES (1)")
        connection.execute("CREATE SCHEMA landing")
        connection.execute("CREATE TABLE landing.parts (id int)")
        connection.close()
        yield emulator


@pytest.fixture
def connect(azure: Emulator) -> Iterator[Connect]:
    """Make connections that are closed after the test."""
    opened = []

    def connect_as(login: str) -> pyodbc.Connection:
        opened.append(open_connection(azure, login))
        return opened[-1]

    yield connect_as
    for connection in opened:
        connection.close()


def open_connection(azure: Emulator, login: str) -> pyodbc.Connection:
    """Log in as a login, under its own application name."""
    text = (
        f"Driver={find_driver()};Server={azure.environ['SQL_SERVER']};Database=db;UID={login};"
        f"PWD={{{PASSWORD}}};APP=program of {login};WSID=host of {login}"
    )
    return pyodbc.connect(text, timeout=5, autocommit=True)


def permissions(connection: pyodbc.Connection, securable: str) -> list[str]:
    """Ask for the effective permissions on a securable, written as T-SQL literals."""
    sql = f"SELECT permission_name FROM sys.fn_my_permissions({securable}) ORDER BY 1"  # noqa: S608 - a literal
    return [row[0] for row in connection.execute(sql)]


@pytest.mark.parametrize(
    ("login", "database", "flights", "parts"),
    [
        ("reader", ["CONNECT", "SELECT"], ["SELECT"], ["SELECT"]),
        (
            "member",
            ["CONNECT", "DELETE", "INSERT", "SELECT", "UPDATE"],
            ["DELETE", "INSERT", "SELECT", "UPDATE"],
            ["DELETE", "INSERT", "SELECT", "UPDATE"],
        ),
        ("narrow", ["CONNECT"], ["SELECT"], ["INSERT"]),
        ("nobody", ["CONNECT"], [], []),
    ],
)
def test_permissions_are_listed(
    connect: Connect, login: str, database: list[str], flights: list[str], parts: list[str]
) -> None:
    """Of the database and of an object in it."""
    connection = connect(login)
    assert permissions(connection, "NULL, 'DATABASE'") == database
    assert permissions(connection, "'dbo.flights', 'OBJECT'") == flights
    assert permissions(connection, "N'landing.parts', 'OBJECT'") == parts
    assert permissions(connection, "'none', 'OBJECT'") == []


def test_the_owner_has_all_of_them(connect: Connect) -> None:
    """A login without `permissions` owns the databases."""
    connection = connect("owner")
    assert {"ALTER", "CONNECT", "CONTROL", "SELECT"} <= set(
        permissions(connection, "NULL, 'DATABASE'")
    )
    row = connection.execute("SELECT USER_NAME(), IS_MEMBER('db_owner')").fetchone()
    assert tuple(row) == ("dbo", 1)


def test_permissions_can_be_asked_for_one_by_one(connect: Connect) -> None:
    """HAS_PERMS_BY_NAME and IS_ROLEMEMBER answer 1, 0 or NULL."""
    asked = (
        "HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'SELECT')",
        "HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'INSERT')",
        "HAS_PERMS_BY_NAME('dbo.flights', 'OBJECT', 'SELECT')",
        "HAS_PERMS_BY_NAME('landing', 'SCHEMA', 'SELECT')",
        "HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE')",
        "IS_ROLEMEMBER('db_datareader')",
        "IS_ROLEMEMBER('db_owner')",
        "IS_ROLEMEMBER('public')",
        "IS_ROLEMEMBER('none')",
    )
    sql = f"SELECT {', '.join(asked)}"
    assert tuple(connect("reader").execute(sql).fetchone()) == (1, 0, 1, 1, 0, 0, 0, 1, None)
    assert tuple(connect("member").execute(sql).fetchone()) == (1, 1, 1, 1, 0, 1, 0, 1, None)
    assert tuple(connect("narrow").execute(sql).fetchone()) == (0, 0, 1, 0, 0, 0, 0, 1, None)


@pytest.mark.parametrize(
    ("login", "sql", "number"),
    [
        ("nobody", "SELECT * FROM dbo.flights", 229),
        ("nobody", "IF EXISTS (SELECT 1 FROM flights) SELECT 1", 229),
        ("nobody", "SELECT f.id FROM (VALUES (1)) AS v(id) JOIN flights f ON f.id = v.id", 229),
        ("narrow", "SELECT * FROM landing.parts", 229),
        ("reader", "INSERT INTO flights VALUES (2)", 229),
        ("reader", "UPDATE flights SET id = 2", 229),
        ("reader", "DELETE FROM flights", 229),
        ("reader", "CREATE TABLE mine (id int)", 262),
        ("reader", "SELECT * INTO mine FROM flights", 262),
        ("reader", "DROP TABLE flights", 262),
        ("reader", "CREATE SCHEMA mine", 262),
    ],
)
def test_what_is_not_granted_is_refused(
    connect: Connect, login: str, sql: str, number: int
) -> None:
    """With SQL Server's numbers."""
    with pytest.raises(pyodbc.ProgrammingError, match=rf"permission.*denied.*\({number}\)"):
        connect(login).execute(sql).fetchall()


def test_what_is_granted_goes_on(connect: Connect) -> None:
    """Temporary tables and the catalogue are everyone's."""
    connection = connect("narrow")
    assert connection.execute("SELECT id FROM flights").fetchval() == 1
    connection.execute("INSERT INTO landing.parts VALUES (7)")
    connection.execute("CREATE TABLE #mine (id int)")
    connection.execute("INSERT INTO #mine SELECT id FROM dbo.flights")
    assert connection.execute("SELECT COUNT(*) FROM #mine").fetchval() == 1
    assert connection.execute("SELECT COUNT(*) FROM sys.tables").fetchval() == 2


def test_a_session_knows_itself(connect: Connect) -> None:
    """Who it is, from where, with which program, over what."""
    sql = (
        "SELECT SUSER_SNAME(), ORIGINAL_LOGIN(), USER_NAME(), CURRENT_USER, SESSION_USER,"
        " HOST_NAME(), APP_NAME(), DB_NAME(), SESSIONPROPERTY('ANSI_NULLS'),"
        " CONNECTIONPROPERTY('net_transport')"
    )
    assert tuple(connect("reader").execute(sql).fetchone()) == (
        *["reader"] * 5,
        "host of reader",
        "program of reader",
        "db",
        1,
        "TCP",
    )
    assert "SQL Server 2022" in connect("reader").execute("SELECT @@VERSION").fetchval()


def test_sessions_are_seen_by_those_who_may(connect: Connect) -> None:
    """Everyone sees the own one, the owner those of others."""
    sql = "SELECT login_name, host_name, program_name FROM sys.dm_exec_sessions"
    reader, owner = connect("reader"), connect("owner")
    own = ("reader", "host of reader", "program of reader")
    assert [tuple(row) for row in reader.execute(sql)] == [own]
    assert {own, ("owner", "host of owner", "program of owner")} <= {
        tuple(row) for row in owner.execute(sql)
    }
    spid = "SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID"
    assert reader.execute(spid).fetchval() == "TRUE"


def test_the_server_notes_who_came_with_which_program(azure: Emulator, connect: Connect) -> None:
    """And never with which password."""
    connect("reader")
    login = [event for event in azure.sql.events if event.kind == "login"][-1]
    assert (login.user, login.application, login.host, login.by_token) == (
        "reader",
        "program of reader",
        "host of reader",
        False,
    )
    assert PASSWORD not in repr(list(azure.sql.events))


def test_a_grant_that_is_none_is_a_mistake_in_the_configuration() -> None:
    """It is refused at the start, with what would be right."""
    logins = {"reader": {"password": "x", "permissions": ["SLECT"]}}
    with pytest.raises(ConfigError, match="'SLECT' is no grant; write it as SELECT"):
        Emulator({"sql": {"logins": logins}}).start()
