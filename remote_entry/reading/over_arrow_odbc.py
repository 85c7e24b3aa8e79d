"""Batches by arrow-odbc, which fetches the next one while this one is at work."""

import re
from collections.abc import Generator
from typing import TYPE_CHECKING

import arrow_odbc
import pyarrow as pa

from remote_entry.errors import SqlError
from remote_entry.reading.batches import QUERY_FAILED, Stream, hold_back
from remote_entry.reading.result_types import fit, schema_of_arrow

if TYPE_CHECKING:
    from remote_entry.sql.connector import Connector

# Buffers follow the declared widths (nvarchar(4000) takes 8 KB a row), and there are two of them.
# Larger ones are slower, too: the processor's caches do not hold them.
BUFFER_BYTES = 16 * 2**20

_SAID = re.compile(r"State: (\w{5}), Native error: (-?\d+), Message: (.*)", re.DOTALL)


def open_arrow_odbc(connector: "Connector", sql: str, rows: int) -> Stream:
    """Run a query without parameters on a new connection.

    Args:
        connector: Where; its login has a password.
        sql: T-SQL that returns columns of bounded types. This and the connection string are ASCII:
            arrow-odbc sends them as UTF-8, and the driver takes them for the locale's encoding.
        rows: How many rows a batch has at most.

    Raises:
        SqlError: No connection, or the server refused the query.
    """
    try:
        connection = arrow_odbc.connect(
            connector.connection_string, login_timeout_sec=connector.login_seconds
        )
        if connector.setup:
            connection.execute(connector.setup)
    except arrow_odbc.Error as error:
        raise connector.explain(_as_pyodbc(error)) from None
    declared: list[pa.Schema] = []

    def read_as(schema: pa.Schema) -> pa.Schema:
        declared.append(schema)
        return _read_as(schema)

    try:
        reader = connection.read_arrow_batches(
            sql,
            batch_size=rows,
            max_bytes_per_batch=BUFFER_BYTES,
            fetch_concurrently=True,
            query_timeout_sec=connector.query_seconds or None,
            # Narrow text would be in the locale's encoding.
            payload_text_encoding=arrow_odbc.TextEncoding.UTF16,
            map_schema=read_as,
        )
    except arrow_odbc.Error as error:
        raise _failed(connector, error) from None
    schema = schema_of_arrow(_with_nullability(reader.schema, declared[0]))
    batches = _batches(connector, connection, reader, schema)
    return Stream(schema, hold_back(batches), lambda: None)


def _read_as(schema: pa.Schema) -> pa.Schema:
    """Return the schema that arrow-odbc has to read in.

    Nanoseconds in 64 bits end in 2262, so moments are read in microseconds. And every column may
    hold NULL: when a connection breaks off, the driver leaves the rows that did not arrive empty,
    and arrow-odbc 10 ends the whole process (a panic) if one of those stands in a NOT NULL column.
    """
    moment = pa.timestamp("us")
    return pa.schema(
        pa.field(field.name, moment if pa.types.is_timestamp(field.type) else field.type)
        for field in schema
    )


def _with_nullability(schema: pa.Schema, declared: pa.Schema) -> pa.Schema:
    """Return a schema whose columns may hold NULL where those of another may."""
    return pa.schema(
        field.with_nullable(other.nullable) for field, other in zip(schema, declared, strict=True)
    )


def _batches(
    connector: "Connector",
    connection: arrow_odbc.Connection,
    reader: arrow_odbc.BatchReader,
    schema: pa.Schema,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the rows, and after the last one ask the server how the query ended.

    When a connection breaks off, the driver may say so in a row's status alone, which arrow-odbc
    does not look at, and then go on as at the end.
    """
    try:
        for batch in reader:
            yield fit(batch, schema)
        number = _error_number(connection)
    except arrow_odbc.Error as error:
        raise _failed(connector, error) from None
    finally:
        del reader, connection  # or the error's frames would keep the connection open
    if number:
        said = Exception("HY000", f"the query ended with error {number} ({number}) (SQLFetch)")
        raise connector.explain(said, QUERY_FAILED)


def _error_number(connection: arrow_odbc.Connection) -> int:
    """Ask how the last statement ended: 0 if well; a connection that broke off does not answer."""
    [batch] = connection.read_arrow_batches(
        "SELECT @@ERROR", batch_size=1, fetch_concurrently=False
    )
    return int(batch.column(0)[0].as_py())


def _failed(connector: "Connector", error: Exception) -> SqlError:
    return connector.explain(_as_pyodbc(error), QUERY_FAILED)


def _as_pyodbc(error: Exception) -> Exception:
    """Return the error in pyodbc's form: the state, then the message with the native number."""
    said = _SAID.search(str(error))
    if said is None:
        return error
    state, number, message = said.groups()
    return Exception(state, f"[{state}] {message.strip()} ({number}) (SQLFetch)")
