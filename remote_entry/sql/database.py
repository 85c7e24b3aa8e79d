"""The run's SQL Server: settings and secrets → an engine whose first connection was tried."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from remote_entry.masking import Masker
from remote_entry.settings.sql import SqlSettings
from remote_entry.sql.connector import Connector
from remote_entry.sql.errors import may_have_ended_session
from remote_entry.sql.login import build_connection_string, describe_server
from remote_entry.sql.odbc import find_driver
from remote_entry.sql.reachability import check_reachable


@dataclass(frozen=True)
class Database:
    """One database, and the two ways to it.

    Attributes:
        connector: Opens single connections.
        engine: SQLAlchemy's pool of them.
    """

    connector: Connector
    engine: Engine


def open_database(
    settings: SqlSettings,
    values: Mapping[str, str],
    *,
    tags: Mapping[str, str],
    token: Callable[[], str] | None = None,
    setup: str = "",
) -> Database:
    """Return a database to which one connection was opened, so that a mistake shows here.

    Args:
        settings: Where the server is and which labels open it.
        values: Label → value of the resolved secrets.
        tags: Attributes by which the server's administrators tell this run's sessions apart.
        token: Returns an access token, if the login has no password.
        setup: T-SQL that each connection begins with.

    Returns:
        A database whose engine tests a pooled connection before it hands it out.

    Raises:
        SettingsError: The server, the user name or the password is not configured.
        SqlError: There is no driver, the server is out of reach or refuses the login.
        IdentityError: There is no token.
    """
    connector = prepare_connector(settings, values, tags=tags, token=token, setup=setup)
    if settings.connection_string_label is None:
        check_reachable(settings.server, settings.port)
    engine = create_engine(
        "mssql+pyodbc://", creator=connector, hide_parameters=True, pool_pre_ping=True
    )
    event.listen(engine, "handle_error", _forget_ended_session)
    try:
        with engine.connect():
            return Database(connector, engine)
    except DBAPIError as error:  # the first questions that SQLAlchemy asks a server
        cause = error.orig if isinstance(error.orig, Exception) else error
        raise connector.explain(cause, f"No session on SQL Server {connector.server}") from None


def prepare_connector(
    settings: SqlSettings,
    values: Mapping[str, str],
    *,
    tags: Mapping[str, str],
    token: Callable[[], str] | None = None,
    setup: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Connector:
    """Return what opens connections; nobody is asked yet.

    The arguments are those of ``open_database``, and what waits between attempts.

    Raises:
        SettingsError: The server, the user name or the password is not configured.
        SqlError: There is no driver.
    """
    text = build_connection_string(settings, values, tags=tags, find_driver=find_driver)
    return Connector(
        text,
        server=describe_server(settings),
        masker=Masker(values.values()),
        token=token,
        patience=settings.patience,
        query_seconds=settings.query_seconds,
        setup=setup,
        sleep=sleep,
    )


def _forget_ended_session(context: ExceptionContext) -> None:
    """Have SQLAlchemy give up a connection whose session the server has ended.

    Otherwise it would roll back on it, and the driver's "communication link failure" of that would
    take the place of the server's own error.
    """
    if context.connection is None or not may_have_ended_session(context.original_exception):
        return
    import pyodbc

    session: Any = context.connection.connection.dbapi_connection
    try:
        session.execute("SELECT 1").close()
    except pyodbc.Error:
        context.is_disconnect = True
