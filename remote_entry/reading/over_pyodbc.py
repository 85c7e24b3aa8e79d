"""Batches by SQLAlchemy and pyodbc: the caller's connections, and columns of max types."""

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, CursorResult, Engine, Row, text
from sqlalchemy.exc import DBAPIError

from remote_entry.errors import SqlError
from remote_entry.masking import Masker
from remote_entry.reading.batches import QUERY_FAILED, Parameters, Stream
from remote_entry.reading.describe import describe
from remote_entry.reading.result_types import (
    INSTANT,
    UNTOLD_INSTANT_OR_TEXT,
    is_endless,
    schema_of_description,
)
from remote_entry.sql.errors import explain_sql

BATCH_BYTES = 64 * 2**20
FIRST_ROWS = 64  # of a result that says nothing of its values' sizes

Explain = Callable[[Exception, str], SqlError]


def _explain(error: Exception, what: str) -> SqlError:
    return explain_sql(error, what=what, masker=Masker(()))


def open_pyodbc(
    source: Engine | Connection,
    sql: str,
    params: Parameters,
    rows: int,
    *,
    explain: Explain = _explain,
) -> Stream:
    """Run a query.

    Args:
        source: An engine, of which one connection is taken, or an open connection.
        sql: T-SQL; ``:name`` stands for a parameter of a mapping, ``?`` for one of a sequence.
        params: Values, always bound.
        rows: How many rows a batch has at most.
        explain: Makes a SqlError of a driver's error and of what failed.

    Raises:
        SqlError: The server refused the query or went away.
    """
    with contextlib.ExitStack() as stack:
        try:
            connection = source
            if isinstance(connection, Engine):
                connection = stack.enter_context(connection.connect())
            result = _execute(connection, sql, params)
            stack.callback(result.close)
            description = result.cursor.description if result.cursor is not None else ()
            pace = Pace(rows, watched=any(map(is_endless, description)))
            first = result.fetchmany(pace.rows) if description else []
        except DBAPIError as error:
            raise _failed(error, explain) from None

        def ask() -> Sequence[str]:
            return describe(source.engine, sql, explain).types if not params else ()

        schema = _known(schema_of_description(description), first, ask)
        return Stream(schema, _batches(result, schema, first, pace, explain), stack.pop_all().close)


class Pace:
    """How many rows to ask for, so that a batch of long values stays small.

    Args:
        most: How many rows a batch has at most.
        watched: Whether there are values of which the declaration does not say how long they are.
    """

    def __init__(self, most: int, *, watched: bool) -> None:
        self._most = most
        self._watched = watched
        self.rows = min(most, FIRST_ROWS) if watched else most

    def note(self, batch: pa.RecordBatch) -> None:
        """Learn from a batch; at most twice as many rows are asked for next."""
        if self._watched:
            fitting = BATCH_BYTES * batch.num_rows // max(batch.nbytes, 1)
            self.rows = max(1, min(self._most, 2 * self.rows, fitting))


def _execute(connection: Connection, sql: str, params: Parameters) -> CursorResult[Any]:
    """Run a query with its parameters bound."""
    if isinstance(params, Mapping):
        return connection.execute(text(sql), dict(params))
    if params is None:
        return connection.exec_driver_sql(sql)
    return connection.exec_driver_sql(sql, tuple(params))


def _batches(
    result: CursorResult[Any],
    schema: pa.Schema,
    first: Sequence[Row[Any]],
    pace: "Pace",
    explain: Explain,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the rows."""
    fetched = first
    while fetched:
        columns = [
            pa.array([_plain(value) for value in values], field.type)
            for values, field in zip(zip(*fetched, strict=True), schema, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        is_last = len(fetched) < pace.rows
        pace.note(batch)
        yield batch
        try:
            fetched = [] if is_last else result.fetchmany(pace.rows)
        except DBAPIError as error:
            raise _failed(error, explain) from None


def _failed(error: DBAPIError, explain: Explain) -> SqlError:
    """Explain an error by the driver's words; SQLAlchemy's own quote the statement."""
    cause = error.orig if isinstance(error.orig, Exception) else error
    return explain(cause, QUERY_FAILED)


def _known(
    schema: pa.Schema, rows: Sequence[Row[Any]], ask: Callable[[], Sequence[str]]
) -> pa.Schema:
    """Return the schema with what the description leaves open.

    Microsoft's driver leaves one thing open: a datetimeoffset(0) is described as a text of 26
    letters. Its values tell, or else the server does, unless the table is a temporary one. Other
    databases' drivers describe no types at all.

    Args:
        schema: What the description says.
        rows: The first rows.
        ask: Returns the columns' declarations; none if the server cannot tell.
    """
    for index, field in enumerate(schema):
        known = next((row[index] for row in rows if row[index] is not None), None)
        if field.type == UNTOLD_INSTANT_OR_TEXT:
            declared = "" if known is not None else dict(enumerate(ask())).get(index, "")
            is_instant = isinstance(known, dt.datetime) or declared.startswith("datetimeoffset")
            schema = schema.set(index, field.with_type(INSTANT if is_instant else pa.string()))
        elif pa.types.is_null(field.type) and known is not None:
            schema = schema.set(index, field.with_type(pa.array([known]).type))
    return schema


def _plain(value: Any) -> Any:
    """Return a value as Arrow takes it; ``pyodbc.native_uuid`` makes identifiers objects."""
    return str(value).upper() if isinstance(value, uuid.UUID) else value
