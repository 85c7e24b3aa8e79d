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

BATCH_BYTES = 2**20  # of values without a bound; they are there twice, Python's and Arrow's
STEP_ROWS = 64  # what may turn out long is asked for in such steps, at most

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
            endless = [index for index, entry in enumerate(description) if is_endless(entry)]
            pace = Pace(rows, endless)
            first = pace.fetch(result) if description else []
        except DBAPIError as error:
            raise _failed(error, explain) from None

        def ask() -> Sequence[str]:
            return describe(source.engine, sql, explain).types if not params else ()

        schema = _known(schema_of_description(description), first, ask)
        return Stream(schema, _batches(result, schema, first, pace, explain), stack.pop_all().close)


def read_rows(engine: Engine, sql: str, explain: Explain) -> list[tuple[Any, ...]]:
    """Return a query's few rows as the driver has them.

    Without pyarrow, which imports pandas to make an array of Python's values: 50 MB.

    Raises:
        SqlError: The server refused the query or went away.
    """
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
    except DBAPIError as error:
        raise _failed(error, explain) from None


class Pace:
    """How many rows to fetch, so that a batch of long values stays small.

    The declaration of a max column says nothing of its values' length, and the next ones may be
    very much longer than those before. So rows are fetched in steps until a batch is full, and
    what it is too large by is one step at most.

    Args:
        most: How many rows a batch has at most.
        endless: The columns whose values have no bound.
    """

    def __init__(self, most: int, endless: Sequence[int]) -> None:
        self._most = most
        self._endless = endless
        self._step = 1

    def fetch(self, result: CursorResult[Any]) -> Sequence[Row[Any]]:
        """Return the rows of the next batch; none at the end."""
        if not self._endless:
            return result.fetchmany(self._most)
        rows: list[Row[Any]] = []
        size = 0
        while len(rows) < self._most and size < BATCH_BYTES:
            fetched = result.fetchmany(min(self._step, self._most - len(rows)))
            if not fetched:
                break
            rows += fetched
            length = sum(len(row[index] or "") for row in fetched for index in self._endless)
            size += length
            fitting = BATCH_BYTES // 8 * len(fetched) // max(length, 1)
            self._step = max(1, min(STEP_ROWS, 2 * self._step, fitting))
        return rows


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
        fetched = ()  # the same values, as Python has them
        yield batch
        del batch, columns
        try:
            fetched = pace.fetch(result)
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
