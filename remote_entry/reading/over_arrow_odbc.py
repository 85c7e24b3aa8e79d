"""Batches by arrow-odbc, which fetches the next one while this one is at work."""

import re
from collections.abc import Generator
from typing import TYPE_CHECKING

import arrow_odbc
import pyarrow as pa

from remote_entry.errors import SqlError
from remote_entry.reading.batches import QUERY_FAILED, Stream
from remote_entry.reading.result_types import fit, schema_of_arrow
from remote_entry.sql.connector import LOGIN_SECONDS

if TYPE_CHECKING:
    from remote_entry.sql.connector import Connector

# Buffers follow the declared widths (nvarchar(4000) takes 8 KB a row), and there are two of them.
BUFFER_BYTES = 64 * 2**20

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
            connector.connection_string, login_timeout_sec=LOGIN_SECONDS
        )
    except arrow_odbc.Error as error:
        raise connector.explain(_as_pyodbc(error)) from None
    try:
        reader = connection.read_arrow_batches(
            sql,
            batch_size=rows,
            max_bytes_per_batch=BUFFER_BYTES,
            fetch_concurrently=True,
            # Narrow text would be in the locale's encoding.
            payload_text_encoding=arrow_odbc.TextEncoding.UTF16,
            map_schema=_without_nanoseconds,
        )
    except arrow_odbc.Error as error:
        raise _failed(connector, error) from None
    schema = schema_of_arrow(reader.schema)
    return Stream(schema, _batches(connector, reader, schema), lambda: None)


def _without_nanoseconds(schema: pa.Schema) -> pa.Schema:
    """Return arrow-odbc's schema with years after 2262, where nanoseconds in 64 bits end."""
    moment = pa.timestamp("us")
    fields = [
        field.with_type(moment) if pa.types.is_timestamp(field.type) else field for field in schema
    ]
    return pa.schema(fields)


def _batches(
    connector: "Connector", reader: arrow_odbc.BatchReader, schema: pa.Schema
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the rows; the connection ends with the reader."""
    try:
        for batch in reader:
            yield fit(batch, schema)
    except arrow_odbc.Error as error:
        raise _failed(connector, error) from None


def _failed(connector: "Connector", error: Exception) -> SqlError:
    return connector.explain(_as_pyodbc(error), QUERY_FAILED)


def _as_pyodbc(error: Exception) -> Exception:
    """Return the error in pyodbc's form: the state, then the message with the native number."""
    said = _SAID.search(str(error))
    if said is None:
        return error
    state, number, message = said.groups()
    return Exception(state, f"[{state}] {message.strip()} ({number}) (SQLFetch)")
