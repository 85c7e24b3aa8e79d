"""Settings and secrets → a SQLAlchemy engine on SQL Server.

Encryption is on and certificates are checked. The connection string never becomes part of a URL:
SQLAlchemy shows URLs in ``repr`` and in logs.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from remote_entry.errors import SettingsError, SqlError
from remote_entry.masking import Masker
from remote_entry.odbc import connection_string, find_driver
from remote_entry.reachability import check_reachable
from remote_entry.settings import SqlSettings
from remote_entry.sql_errors import explain_sql

LOGIN_SECONDS = 30

# Microsoft's advice: the first retry after 5 s, then longer.
# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-connectivity-issues
RETRY_DELAYS = (5.0, 10.0, 20.0)

_ATTRIBUTE = re.compile(r"(?:^|;)\s*(?P<keyword>[A-Za-z ]+?)\s*=")


def open_engine(
    settings: SqlSettings, values: Mapping[str, str], *, application_name: str
) -> Engine:
    """Return an engine on which one connection was opened, so that a mistake shows here.

    Args:
        settings: Where the server is and which labels open it.
        values: Label → value of the resolved secrets.
        application_name: What the server shows as the program behind a session.

    Returns:
        An engine that tests a pooled connection before it hands it out.

    Raises:
        SettingsError: The server, the user name or the password is not configured.
        SqlError: There is no driver, the server is out of reach or refuses the login.
    """
    text = build_connection_string(
        settings, values, application_name=application_name, find_driver=find_driver
    )
    masker = Masker(values.values())
    if settings.connection_string_label is None:
        check_reachable(settings.server, settings.port)
    connect = Connector(text, server=describe_server(settings), masker=masker)
    engine = create_engine(
        "mssql+pyodbc://", creator=connect, hide_parameters=True, pool_pre_ping=True
    )
    try:
        with engine.connect():
            return engine
    except DBAPIError as error:  # the first questions that SQLAlchemy asks a server
        cause = error.orig if isinstance(error.orig, Exception) else error
        what = f"No session on SQL Server {describe_server(settings)}"
        raise explain_sql(cause, what=what, masker=masker) from None


def build_connection_string(
    settings: SqlSettings,
    values: Mapping[str, str],
    *,
    application_name: str,
    find_driver: Callable[[], str],
) -> str:
    """Return the ODBC connection string.

    Args:
        settings: Where the server is and which labels open it.
        values: Label → secret value.
        application_name: What the server shows as the program behind a session.
        find_driver: Returns the driver; not called if the secret names one.

    Returns:
        The string, or the connection string secret with what it leaves open filled in.

    Raises:
        SettingsError: Something is not configured.
    """
    if settings.connection_string_label is not None:
        return _complete(values[settings.connection_string_label], application_name, find_driver)
    _require(settings)
    attributes = {
        "Driver": find_driver(),
        "Server": f"tcp:{_address(settings)}",
        "UID": values[settings.user_name_label or ""],
        "PWD": values[settings.password_label or ""],
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "APP": application_name,
    }
    if settings.database:
        attributes["Database"] = settings.database
    return connection_string(attributes)


class Connector:
    """Opens connections; its repr shows the server and nothing else.

    Args:
        text: The ODBC connection string.
        server: The server, for messages.
        masker: Knows the secrets in the string.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        text: str,
        *,
        server: str,
        masker: Masker,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._text = text
        self._server = server
        self._masker = masker
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"<Connector {self._server}>"

    def __call__(self) -> Any:
        """Return a new DBAPI connection.

        Raises:
            SqlError: Refused, or still out of reach after the retries. Only conditions that
                Microsoft documents as transient are tried again: a second attempt with a wrong
                password brings the login closer to being locked.
        """
        for delay in (*RETRY_DELAYS, None):
            error = self._attempt()
            if not isinstance(error, SqlError):
                return error
            if delay is None or not error.transient:
                raise error
            self._sleep(delay)
        raise AssertionError("the last delay is None")

    def _attempt(self) -> Any:
        """Return a connection, or the error that explains why there is none."""
        import pyodbc

        try:
            return pyodbc.connect(self._text, timeout=LOGIN_SECONDS)
        except pyodbc.Error as error:
            return explain_sql(
                error, what=f"No connection to SQL Server {self._server}", masker=self._masker
            )


def describe_server(settings: SqlSettings) -> str:
    """Return the server and the database, for messages."""
    if settings.connection_string_label is not None:
        return f"of the secret {settings.connection_string_label}"
    database = f", database {settings.database}" if settings.database else ""
    return f"{_address(settings)} (SQL_SERVER{database})"


def _address(settings: SqlSettings) -> str:
    """Return host and port as the driver writes them."""
    return settings.server if settings.port is None else f"{settings.server},{settings.port}"


def _require(settings: SqlSettings) -> None:
    """Say everything that is missing for a login."""
    missing = []
    if not settings.server:
        missing.append("SQL_SERVER (the server's name)")
    if settings.user_name_label is None:
        missing.append(
            "AZURE_SECRET_SQL_USERNAME, AZURE_SECRET_1 or SQL_USERNAME_FROM_WORKSPACE "
            "(the secret with the user)"
        )
    if settings.password_label is None:
        missing.append(
            "AZURE_SECRET_SQL_PASSWORD, AZURE_SECRET_2 or SQL_PASSWORD_FROM_WORKSPACE "
            "(the secret with the password)"
        )
    if missing:
        raise SettingsError(
            f"SQL Server is not configured: {'; '.join(missing)} not found among the variables",
            kind="settings.sql",
            hint="set them in the job file, or AZURE_SECRET_SQL_CONNECTION_STRING alone",
        )


def _complete(text: str, application_name: str, find_driver: Callable[[], str]) -> str:
    """Fill a driver and an application name into a connection string that has none."""
    keywords = {match["keyword"].lower() for match in _ATTRIBUTE.finditer(text)}
    if "://" in text.partition("=")[0] or keywords & {"initial catalog", "data source"}:
        raise SettingsError(
            "The secret SQL_CONNECTION_STRING is not an ODBC connection string",
            kind="settings.connection-string",
            hint="take the portal's ODBC string: Server=tcp:…;Database=…;Uid=…;Pwd=…",
        )
    additions = {}
    if "driver" not in keywords and "dsn" not in keywords:
        additions["Driver"] = find_driver()
    if "app" not in keywords:
        additions["APP"] = application_name
    if not keywords & {"encrypt", "dsn"}:
        additions["Encrypt"] = "yes"
    return f"{connection_string(additions)};{text}" if additions else text
