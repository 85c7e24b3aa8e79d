"""Query → DataFrame whose column types follow the query's, not the data.

pandas turns a nullable integer into a float as soon as one NULL appears, and decimals into floats
always. Here the type depends on the column alone:

    SQL type                      column
    int, bigint… NOT NULL         int64
    int, bigint… NULL             Int64 (pandas' nullable integer)
    bit NOT NULL / NULL           bool / boolean
    float, real                   float64 (NULL is NaN)
    decimal, numeric, money       object of decimal.Decimal, exact (NULL is None)
    datetime2, datetime…          datetime64[us], years 1 to 9999 (NULL is NaT)
    datetimeoffset                object of datetime with its zone (NULL is None)
    char, nvarchar…               pandas' natural text type
    date, time, varbinary…        object of Python's own type (NULL is None)
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pandas as pd
from sqlalchemy import Connection, CursorResult, Engine, text
from sqlalchemy.exc import DBAPIError

from remote_entry.masking import Masker
from remote_entry.sql.errors import explain_sql

Parameters = Mapping[str, Any] | Sequence[Any] | None


def query_frame(source: Engine | Connection, sql: str, params: Parameters) -> pd.DataFrame:
    """Return a query's rows.

    Args:
        source: An engine, of which one connection is taken, or an open connection.
        sql: T-SQL; ``:name`` stands for a parameter of a mapping, ``?`` for one of a sequence.
        params: Values, always bound.

    Returns:
        A DataFrame with the types of the table in the module's docstring.

    Raises:
        SqlError: The server refused the query or went away.
    """
    try:
        with source.connect() if isinstance(source, Engine) else nullcontext(source) as connection:
            result = _execute(connection, sql, params)
            return _to_frame(result)
    except DBAPIError as error:
        # SQLAlchemy's error quotes the statement; the driver's own says what the server said.
        cause = error.orig if isinstance(error.orig, Exception) else error
        raise explain_sql(cause, what="The query failed", masker=Masker(())) from None


def _execute(connection: Connection, sql: str, params: Parameters) -> CursorResult[Any]:
    """Run a query with its parameters bound."""
    if isinstance(params, Mapping):
        return connection.execute(text(sql), dict(params))
    if params is None:
        return connection.exec_driver_sql(sql)
    return connection.exec_driver_sql(sql, tuple(params))


def _to_frame(result: CursorResult[Any]) -> pd.DataFrame:
    """Return the rows, one Series a column; column names may repeat, as in SQL."""
    description = result.cursor.description if result.cursor is not None else ()
    rows = result.fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(description)
    series = [
        _to_series(values, python_type=entry[1], nullable=entry[6] is not False)
        for values, entry in zip(columns, description, strict=True)
    ]
    frame = pd.concat(series, axis=1) if series else pd.DataFrame()
    frame.columns = pd.Index([entry[0] for entry in description])
    return frame


def _to_series(values: Sequence[Any], *, python_type: Any, nullable: bool) -> Any:
    """Return a column.

    Args:
        values: The column's values.
        python_type: What the driver says it hands out for the column (PEP 249, ``type_code``).
        nullable: Whether the driver says that NULL may appear (PEP 249, ``null_ok``).
    """
    if python_type is str and isinstance(_first(values), dt.datetime):
        # pyodbc calls a datetimeoffset text; SQLAlchemy's converter makes datetimes of it.
        python_type = object
    return pd.Series(list(values), dtype=_column_type(python_type, nullable=nullable))


def _first(values: Sequence[Any]) -> Any:
    """Return the first value that is not NULL, or None."""
    return next((value for value in values if value is not None), None)


def _column_type(python_type: Any, *, nullable: bool) -> Any:
    """Return pandas' type for a column."""
    if python_type is int:
        return "Int64" if nullable else "int64"
    if python_type is bool:
        return "boolean" if nullable else "bool"
    if python_type is float:
        return "float64"
    if python_type is dt.datetime:
        return "datetime64[us]"
    return _TEXT_TYPE if python_type is str else object


# `object` before pandas 3, `str` since.
_TEXT_TYPE = pd.Series(["text"]).dtype
