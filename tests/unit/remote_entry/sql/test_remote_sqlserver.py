"""Settings and secrets become connections; failures become one message each."""

import re
import socket
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from remote_entry.errors import SettingsError, SqlError
from remote_entry.masking import Masker
from remote_entry.settings import SqlSettings
from remote_entry.sql.connector import SQL_COPT_SS_ACCESS_TOKEN, Connector
from remote_entry.sql.database import open_database
from remote_entry.sql.errors import explain_sql
from remote_entry.sql.login import build_connection_string, describe_server, session_tags
from remote_entry.sql.reachability import check_reachable

SQL = SqlSettings(
    server="flights.database.windows.net",
    port=1433,
    database="flights",
    user_name_label="1",
    password_label="2",
)
VALUES = {"1": "trainer", "2": "can;ary}"}


def build(settings: SqlSettings, values: dict[str, str]) -> str:
    """Build a connection string on a machine with driver 18."""
    return build_connection_string(
        settings,
        values,
        tags=session_tags("flights", "run-7"),
        find_driver=lambda: "Driver 18",
    )


def driver_error(state: str, message: str) -> Exception:
    """Return an exception with pyodbc's two arguments."""
    return FakeDriver.Error(state, message)


def login_error(number: int, text: str = "Refused") -> Exception:
    """Return what pyodbc raises for an error number of the server."""
    prefix = "[42000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"
    return driver_error("42000", f"{prefix}{text} ({number}) (SQLDriverConnect)")


class FakeDriver:
    """Plays the module pyodbc: answers with the given outcomes, one a call."""

    class Error(Exception):
        """Plays pyodbc.Error."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes: Iterator[Any] = iter(outcomes)
        self.attempts: list[tuple[str, int]] = []
        self.attributes: list[dict[int, bytes]] = []

    def connect(self, text: str, timeout: int, attrs_before: dict[int, bytes]) -> Any:
        """Play pyodbc.connect."""
        self.attempts.append((text, timeout))
        self.attributes.append(attrs_before)
        outcome = next(self.outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return SimpleNamespace(name=outcome)


def connector(
    monkeypatch: pytest.MonkeyPatch, *outcomes: Any, **options: Any
) -> tuple[Connector, FakeDriver, list[float]]:
    """Return a connector on a fake driver, and where its sleeps are noted."""
    driver = FakeDriver(*outcomes)
    module: Any = ModuleType("pyodbc")
    module.Error = FakeDriver.Error
    module.connect = driver.connect
    monkeypatch.setitem(sys.modules, "pyodbc", module)
    slept: list[float] = []
    connect = Connector(
        "PWD={canary}",
        server="s (SQL_SERVER)",
        masker=Masker(["canary"]),
        sleep=slept.append,
        **options,
    )
    return connect, driver, slept


def test_connection_string_is_encrypted_checked_and_quoted() -> None:
    """Certificates are checked, and a password cannot end its attribute."""
    assert build(SQL, VALUES) == (
        "Driver={Driver 18};Server={tcp:flights.database.windows.net,1433};UID={trainer};"
        "PWD={can;ary}}};Encrypt={yes};TrustServerCertificate={no};"
        "APP={remote_entry/0.1.0 flights};WSID={run-7};Database={flights}"
    )


def test_connection_string_secret_wins_and_is_completed() -> None:
    """What the secret says stays; driver, encryption and application name are filled in."""
    settings = SqlSettings(server="other", connection_string_label="SQL_CONNECTION_STRING")
    secret = "Server=tcp:flights,1433;Uid=trainer;Pwd={canary}"
    assert build(settings, {"SQL_CONNECTION_STRING": secret}) == (
        "Driver={Driver 18};APP={remote_entry/0.1.0 flights};WSID={run-7};Encrypt={yes};" + secret
    )


@pytest.mark.parametrize(
    "secret",
    ["mssql+pyodbc://trainer:canary@flights/db?driver=x", "Data Source=a;Initial Catalog=b"],
)
def test_connection_string_of_another_kind_is_refused_unquoted(secret: str) -> None:
    """A URL or an ADO.NET string is told apart, and not repeated."""
    settings = SqlSettings(connection_string_label="SQL_CONNECTION_STRING")
    with pytest.raises(SettingsError, match="not an ODBC connection string") as caught:
        build(settings, {"SQL_CONNECTION_STRING": secret})
    assert "canary" not in str(caught.value)


def test_everything_missing_for_a_login_is_named() -> None:
    """Server, user and password are reported together."""
    with pytest.raises(SettingsError) as caught:
        build(SqlSettings(), {})
    for variable in ("SQL_SERVER", "AZURE_SECRET_SQL_USERNAME", "AZURE_SECRET_SQL_PASSWORD"):
        assert variable in str(caught.value)


def test_wrong_password_gets_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second attempt would bring the login closer to being locked."""
    connect, driver, slept = connector(monkeypatch, login_error(18456, "Login failed."))
    with pytest.raises(SqlError) as caught:
        connect()
    assert (caught.value.kind, caught.value.number) == ("sql.login-failed", 18456)
    assert caught.value.exit_code == 6
    assert len(driver.attempts) == 1
    assert slept == []


def test_transient_condition_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A paused database wakes up; Microsoft advises 5 s before the first retry, then longer."""
    outcomes = [login_error(number) for number in (40613, 40197, 49918, 40501, 10928, 10929)]
    connect, driver, slept = connector(monkeypatch, *outcomes, "connection", patience=1000)
    assert connect().name == "connection"
    assert [int(seconds) // 5 * 5 for seconds in slept] == [5, 10, 20, 40, 60, 60]
    assert len(driver.attempts) == 7
    assert "the database is paused or moves; trying again in 5 s" in caplog.text.replace(
        "in 6 s", "in 5 s"
    )
    assert "canary" not in caplog.text


def test_transient_condition_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits when the next attempt would come after the patience is over."""
    connect, driver, slept = connector(monkeypatch, login_error(40501), patience=4)
    with pytest.raises(SqlError) as caught:
        connect()
    assert caught.value.transient
    assert slept == []
    assert len(driver.attempts) == 1


def test_access_token_takes_the_place_of_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection gets a token of its own, since the last one may have run out."""
    tokens = iter(["first", "second"])
    connect, driver, _ = connector(monkeypatch, "a", "b", token=lambda: next(tokens))
    connect()
    connect()
    expected = [
        b"\n\0\0\0" + "first".encode("utf-16-le"),
        b"\x0c\0\0\0" + "second".encode("utf-16-le"),
    ]
    assert [attributes[SQL_COPT_SS_ACCESS_TOKEN] for attributes in driver.attributes] == expected


def test_login_with_a_token_has_neither_user_nor_password() -> None:
    """The driver refuses a token beside them."""
    text = build(SqlSettings(server="flights", auth="service-principal"), VALUES)
    assert "UID" not in text
    assert "PWD" not in text


def test_login_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never answers does not hang the run."""
    connect, driver, _ = connector(monkeypatch, "connection")
    connect()
    assert driver.attempts == [("PWD={canary}", 30)]


def test_connector_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its repr nor an error that quotes the secret gives it away."""
    connect, _, _ = connector(monkeypatch, login_error(18456, "Login failed for user 'canary'."))
    assert "canary" not in repr(connect)
    with pytest.raises(SqlError) as caught:
        connect()
    assert "canary" not in str(caught.value)
    assert "Login failed for user '***'." in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("state", "message", "kind", "number"),
    [
        ("42000", "Cannot open database. (4060) (SQLDriverConnect)", "sql.database-refused", 4060),
        ("42000", "Not allowed. (40615) (SQLDriverConnect)", "sql.firewall", 40615),
        ("28000", "Login failed. (18456) (SQLDriverConnect)", "sql.login-failed", 18456),
        ("HYT00", "Login timeout expired (0) (SQLDriverConnect)", "sql.login-timeout", None),
        (
            "08001",
            "SSL Provider: [certificate verify failed] (-1) (SQLDriverConnect)",
            "sql.tls",
            None,
        ),
        ("01000", "Can't open lib '/x.so' : file not found (0) (SQL…)", "sql.driver-missing", None),
        ("08S01", "Communication link failure (104) (SQLExecDirectW)", "sql.connection-lost", None),
        ("42S02", "Invalid object name 'x'. (208) (SQLExecDirectW)", "sql.no-such-table", 208),
    ],
)
def test_conditions_are_told_apart(state: str, message: str, kind: str, number: int | None) -> None:
    """The server's number decides; without one the driver's words do."""
    error = explain_sql(driver_error(state, message), what="No connection", masker=Masker(()))
    assert (error.kind, error.number) == (kind, number)
    assert error.hint
    assert message.split(" (", maxsplit=1)[0][:20] in str(error)


def test_engine_is_not_opened_towards_a_closed_port() -> None:
    """A refused port is told at once, not after the driver's login timeout."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        settings = SqlSettings("127.0.0.1", reserved.getsockname()[1], "", "1", "2")
        with pytest.raises(SqlError) as caught:
            open_database(settings, VALUES, tags={})
    assert caught.value.kind == "sql.refused"


def test_name_that_does_not_resolve_is_told_apart() -> None:
    """.invalid never resolves (RFC 2606)."""
    with pytest.raises(SqlError) as caught:
        check_reachable("flights.invalid", None)
    assert caught.value.kind == "sql.dns"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (
            245,
            "Conversion failed when converting the varchar value 'it's Jane' to data type int.",
        ),
        (2628, "String or binary data would be truncated in table 't'. Truncated value: '4 Jane'."),
        (2627, "Cannot insert duplicate key in object 't'. The duplicate key value is (4 Jane)."),
    ],
)
def test_a_rows_value_is_left_out(number: int, text: str) -> None:
    """The server quotes it; a log is no place for people's data."""
    error = explain_sql(login_error(number, text), what="The query failed", masker=Masker(()))
    assert re.search("value:?( is)? …", str(error))
    assert "Jane" not in str(error)


def test_open_port_and_named_instance_pass() -> None:
    """The check asks nothing more than whether somebody is there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable("127.0.0.1", server.getsockname()[1])
    check_reachable(r"host.invalid\SQLEXPRESS", None)


def test_description_of_the_server_names_its_variables() -> None:
    """A message leads back to the job file."""
    assert describe_server(SQL) == (
        "flights.database.windows.net,1433 (SQL_SERVER, database flights)"
    )
    whole = SqlSettings(connection_string_label="SQL_CONNECTION_STRING")
    assert describe_server(whole) == "of the secret SQL_CONNECTION_STRING"
