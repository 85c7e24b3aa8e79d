"""Batches by mssql-python, which takes parameters and access tokens."""

import contextlib
import re
import uuid
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import mssql_python
import pyarrow as pa

from remote_entry.errors import SqlError
from remote_entry.reading.batches import QUERY_FAILED, Parameters, Stream, hold_back
from remote_entry.reading.bound_parameters import positional
from remote_entry.reading.result_types import fit, is_endless, schema_of_arrow
from remote_entry.sql.connector import SQL_COPT_SS_ACCESS_TOKEN, pack_token
from remote_entry.sql.odbc import connection_string, split_connection_string

if TYPE_CHECKING:
    from remote_entry.sql.connector import Connector

BATCH_BYTES = 16 * 2**20  # of values as long as they are declared

# What mssql_python.connect takes; everything else it refuses.
_CARRIED = frozenset(
    [
        "server",
        "address",
        "addr",
        "uid",
        "pwd",
        "authentication",
        "trusted_connection",
        "database",
        "encrypt",
        "trustservercertificate",
        "hostnameincertificate",
        "servercertificate",
        "serverspn",
        "multisubnetfailover",
        "applicationintent",
        "connectretrycount",
        "connectretryinterval",
        "keepalive",
        "keepaliveinterval",
        "ipaddresspreference",
        "packetsize",
    ]
)
# The driver is mssql-python's own; the portal's timeout is ADO.NET's and means nothing to ODBC.
_LEFT_OUT = frozenset({"driver", "connection timeout"})
_TAGS = frozenset({"app", "wsid"})
_OWN_TAG = re.compile(r"APP=MSSQL-Python", re.IGNORECASE)

# mssql-python's errors have neither SQLSTATE nor number; at a login nobody can be asked for it.
_LOGIN_NUMBERS = (
    ("Login failed for user", 18456),
    ("Cannot open database", 4060),
    ("is not currently available", 40613),
    ("is not allowed to access the server", 40615),
    ("is currently busy", 40501),
    ("encountered an error processing your request", 40197),
)


def can_carry(text: str) -> bool:
    """Tell whether mssql-python takes what an ODBC connection string says."""
    keywords = {keyword.lower() for keyword in split_connection_string(text)}
    return keywords <= _CARRIED | _LEFT_OUT | _TAGS


def open_mssql(
    connector: "Connector", token: str | None, sql: str, params: Parameters, rows: int
) -> Stream | None:
    """Run a query that only reads on a new connection.

    Args:
        connector: Where; ``can_carry`` holds for its connection string.
        token: The access token, if the login has no password.
        sql: T-SQL; ``:name`` stands for a parameter of a mapping, ``?`` for one of a sequence.
        params: Values, always bound.
        rows: How many rows a batch has at most.

    Returns:
        The rows; None if there is a column of a max type. While it waits for one of those,
        mssql-python holds the interpreter's lock: no other thread would run, and Ctrl-C would do
        nothing (seen with 1.16).

    Raises:
        SqlError: No connection, or the server refused the query.
    """
    with contextlib.ExitStack() as stack:
        connection = _connect(connector, token)
        stack.callback(_close, connection)
        connection.timeout = connector.query_seconds
        cursor = connection.cursor()
        try:
            if connector.setup:
                cursor.execute(connector.setup)
            text, values = positional(sql, params)
            cursor.execute(text, values) if values else cursor.execute(text)
            description = cursor.description or ()
            if any(map(is_endless, description)):
                return None
            described = cursor.arrow_batch(0).schema if description else pa.schema([])
        except mssql_python.Error as error:
            raise _failed(connector, connection, cursor, error) from None
        schema = schema_of_arrow(described)
        rows = max(1, min(rows, BATCH_BYTES // max(_width(description), 1)))
        identifiers = [index for index, entry in enumerate(description) if entry[1] is uuid.UUID]

        def batches() -> Generator[pa.RecordBatch, None, None]:
            while len(schema):
                try:
                    batch = cursor.arrow_batch(rows)
                except mssql_python.Error as error:
                    raise _failed(connector, connection, cursor, error) from None
                if batch.num_rows == 0:
                    _ensure_end(connector, connection)
                    return
                yield fit(_upper(batch, identifiers), schema)

        return Stream(schema, hold_back(batches()), stack.pop_all().close)


def _width(description: Sequence[Any]) -> int:
    """Return how many bytes a row has at most, a letter counted as one."""
    return sum(entry[3] or 0 for entry in description)


def _close(connection: Any) -> None:
    """Close a connection; one that broke off says so once more, in place of the first error."""
    with contextlib.suppress(mssql_python.Error, RuntimeError):
        connection.close()


def _ensure_end(connector: "Connector", connection: Any) -> None:
    """Raise unless the end of the rows is one: mssql-python 1.16 takes a reset for it.

    A connection that broke off does not answer any more; nothing reconnects it (see _connect).
    """
    try:
        asking = connection.cursor()
        asking.execute("SELECT @@ERROR").fetchone()
        asking.close()
    except (mssql_python.Error, RuntimeError) as error:
        raise connector.explain(_as_pyodbc("08S01", error, 0), QUERY_FAILED) from None


def _upper(batch: pa.RecordBatch, columns: Sequence[int]) -> pa.RecordBatch:
    """Write uniqueidentifiers as SQL Server does."""
    import pyarrow.compute as pc

    for index in columns:
        batch = batch.set_column(index, batch.schema[index], pc.ascii_upper(batch.column(index)))
    return batch


def _connect(connector: "Connector", token: str | None) -> Any:
    """Open a connection that is nobody else's."""
    from mssql_python.pooling import PoolingManager

    if not PoolingManager.is_initialized():
        # Its pool would hand a parent's open connection to a forked child.
        mssql_python.pooling(enabled=False)
    attributes = {
        keyword: value
        for keyword, value in split_connection_string(connector.connection_string).items()
        if keyword.lower() not in _LEFT_OUT
    }
    attributes = {k: v for k, v in attributes.items() if k.lower() != "connectretrycount"}
    attributes["ConnectRetryCount"] = "0"  # or the driver would hide a reset by a new connection
    tags = {key: attributes.pop(key) for key in list(attributes) if key.lower() in _TAGS}
    before = {} if token is None else {SQL_COPT_SS_ACCESS_TOKEN: pack_token(token)}
    try:
        return _tagged(tags)(
            connection_string(attributes),
            autocommit=True,
            attrs_before=before,
            login_timeout=connector.login_seconds,
        )
    except mssql_python.Error as error:
        raise connector.explain(_login_error(error)) from None


def _tagged(tags: dict[str, str]) -> type[Any]:
    """Return mssql-python's connection with our application's name instead of its own.

    It sets APP itself and refuses WSID; those are how a server's administrators tell runs apart.
    Goes when mssql_python.connect takes them.
    """

    class Tagged(mssql_python.Connection):  # type: ignore[misc]
        def _construct_connection_string(self, *args: Any, **kwargs: Any) -> Any:
            text, parameters = super()._construct_connection_string(*args, **kwargs)
            ours = connection_string(tags)
            return (_OWN_TAG.sub(lambda _: ours, text) if ours else text), parameters

    return Tagged


def _failed(connector: "Connector", connection: Any, cursor: Any, error: Exception) -> SqlError:
    """Explain an error; the server is asked for the number that the driver does not tell."""
    number = 0
    with contextlib.suppress(mssql_python.Error, RuntimeError):
        cursor.close()
        asking = connection.cursor()
        number = asking.execute("SELECT @@ERROR").fetchone()[0]
        asking.close()
        return connector.explain(_as_pyodbc("HY000", error, number), QUERY_FAILED)
    return connector.explain(_as_pyodbc("08S01", error, 0), QUERY_FAILED)


def _login_error(error: Exception) -> Exception:
    """Give a login's error the number that its words belong to."""
    for words, number in _LOGIN_NUMBERS:
        if words in str(error):
            return _as_pyodbc("28000", error, number)
    return _as_pyodbc("08001", error, 0)


def _as_pyodbc(state: str, error: Exception, number: int) -> Exception:
    """Return an error in pyodbc's form: the state, then the message with the native number."""
    said = getattr(error, "ddbc_error", "") or str(error)
    return Exception(state, f"[{state}] {said} ({number}) (SQLExecDirect)")
