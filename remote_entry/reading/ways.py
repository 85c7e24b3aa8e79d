"""A query's rows as Arrow batches, by the fastest way that brings them exactly.

Which way a query takes follows from the query and the login, never from the data, and does not
show in the result:

    the caller's own connection                pyodbc: its temporary tables and transaction
    a text that does more than read            pyodbc, in a transaction that is rolled back
    a column of a max type, xml…               pyodbc
    parameters, an access token, a
    datetimeoffset, a name, text or password
    that is not ASCII                          mssql-python
    anything else                              arrow-odbc, the fastest

The columns are asked of the server before (sp_describe_first_result_set, one round trip); where it
cannot tell, and with parameters, mssql-python runs the query and leaves it to pyodbc if it finds a
column of a max type. A connection string that mssql-python cannot carry leaves pyodbc too.

A read that meets a condition that passes, such as a deadlock, is done again, if the connection is
not the caller's, the text only reads and no row was handed out.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from remote_entry.reading.batches import Batches, Parameters, Stream
from remote_entry.reading.reads_only import reads_only

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from remote_entry.reading.describe import Declaration
    from remote_entry.sql.database import Database

T = TypeVar("T")

FRAME_ROWS = 20_000  # a batch's, on the way to a DataFrame


def read_own(database: "Database", sql: str, params: Parameters, rows: int) -> pa.Table:
    """Return all rows of a query on a connection of its own; the arguments are ``open_own``'s."""

    def read() -> pa.Table:
        return Batches(_open(database, sql, params, rows)).read_all()

    return _persist(database, sql, read)


def open_own(
    database: "Database",
    sql: str,
    params: Parameters,
    rows: int,
    declared: "Declaration | None" = None,
) -> Batches:
    """Run a query on a connection of its own.

    Args:
        database: Where.
        sql: T-SQL; ``:name`` stands for a parameter of a mapping, ``?`` for one of a sequence.
        params: Values, always bound.
        rows: How many rows a batch has at most.
        declared: What the server says of the query's columns, if that is known: then it is not
            asked again, over one more connection.

    Raises:
        SqlError: The server refused the query or went away.
    """

    def start() -> Batches:
        stream = _open(database, sql, params, rows, declared)
        try:
            return Batches(stream, next(stream.batches, None))
        except BaseException:
            stream.close()
            raise

    return _persist(database, sql, start)


def open_given(source: "Engine | Connection", sql: str, params: Parameters, rows: int) -> Batches:
    """Run a query on the caller's connection, or on one of the caller's engine.

    The arguments are those of ``open_own``.
    """
    from remote_entry.reading.over_pyodbc import open_pyodbc

    return Batches(open_pyodbc(source, sql, params, rows))


def _persist(database: "Database", sql: str, attempt: Callable[[], T]) -> T:
    """Do again what a passing condition stopped, if doing it twice does no harm."""
    if not reads_only(sql):
        return attempt()
    outcome: T = database.connector.retry(attempt)
    return outcome


def _open(
    database: "Database",
    sql: str,
    params: Parameters,
    rows: int,
    declared: "Declaration | None" = None,
) -> Stream:
    """Run a query by the way that the module's docstring tells."""
    from remote_entry.reading.over_pyodbc import open_pyodbc

    connector = database.connector
    if reads_only(sql):
        from remote_entry.reading.describe import Declaration, describe
        from remote_entry.reading.over_mssql_python import can_carry, open_mssql

        token = connector.access_token()
        if declared is None:
            declared = Declaration()
            if not params:
                declared = describe(database.engine, sql, connector.explain)
        is_ascii = sql.isascii() and connector.connection_string.isascii()
        if declared.is_plain and token is None and is_ascii:
            from remote_entry.reading.over_arrow_odbc import open_arrow_odbc

            return open_arrow_odbc(connector, sql, rows)
        if not declared.has_endless and can_carry(connector.connection_string):
            stream = open_mssql(connector, token, sql, params, rows)
            if stream is not None:
                return stream
    return open_pyodbc(database.engine, sql, params, rows, explain=connector.explain)
