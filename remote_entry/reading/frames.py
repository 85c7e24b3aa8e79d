"""Arrow batches → DataFrame whose column types follow the query's declaration, not the data.

pandas turns a nullable integer into a float as soon as one NULL appears, and decimals into floats
always. Here the type depends on the column alone, and every value is exact:

    SQL type                        column
    int, bigint… NOT NULL / NULL    int64 / Int64 (pandas' nullable integer)
    bit NOT NULL / NULL             bool / boolean
    real, float                     float64 (NULL is NaN)
    decimal, numeric, money         decimal128(p, s)[pyarrow] (NULL is NA): sums, groups, sorts
                                    and plots exactly; ``.astype(float)`` where floats will do
    datetime2, datetime…            datetime64[us], years 1 to 9999 (NULL is NaT)
    datetimeoffset                  datetime64[us, UTC]: the instant; SQL Server's offset is read by
                                    ``DATEPART(tzoffset, …)`` in the query
    char, nvarchar, xml…            pandas' natural text type
    uniqueidentifier                the same, in upper case
    date, time                      object of datetime.date, datetime.time (NULL is None)
    binary, varbinary, rowversion   object of bytes (NULL is None)

A seventh digit of a second is cut off. The way of a query to the server, which
``remote_entry.reading.ways`` tells, changes nothing of this.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# `object` before pandas 3, `str` since.
_TEXT_TYPE = pd.Series(["text"]).dtype


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a DataFrame; column names may repeat, as in SQL."""
    names, nullable = table.column_names, [field.nullable for field in table.schema]
    columns: dict[int, Any] = {}
    for index, may_be_null in enumerate(nullable):
        columns[index] = _column(table.column(0), nullable=may_be_null)
        table = table.remove_column(0)  # so that a column is not held twice for longer than needed
    frame = pd.DataFrame(columns, copy=False)
    frame.columns = pd.Index(names)
    return frame


def _column(values: pa.ChunkedArray, *, nullable: bool) -> Any:
    """Return a column as an array for pandas."""
    kind, types = values.type, pa.types
    if types.is_integer(kind):
        return _masked(values.cast(pa.int64()), pd.arrays.IntegerArray, nullable=nullable)
    if types.is_boolean(kind):
        return _masked(values, pd.arrays.BooleanArray, nullable=nullable)
    if types.is_floating(kind):
        return _numpy(values.cast(pa.float64()), np.nan)
    if types.is_timestamp(kind):
        return _moments(values)
    if types.is_decimal(kind):
        return pd.arrays.ArrowExtensionArray(values)
    is_text = types.is_string(kind) or types.is_large_string(kind)
    return _texts(values) if is_text else _objects(values)


def _masked(values: pa.ChunkedArray, kind: Any, *, nullable: bool) -> Any:
    """Return NumPy's values, with a mask if there may be NULLs."""
    if not nullable:
        return _numpy(values, None)
    empty = False if pa.types.is_boolean(values.type) else 0
    return kind(_numpy(values, empty), _numpy(pc.is_null(values), None))


def _moments(values: pa.ChunkedArray) -> Any:
    """Return datetimes; those with a zone as UTC."""
    numbers = _numpy(values.cast(pa.int64()), np.iinfo(np.int64).min)  # NumPy's NaT
    moments = pd.DatetimeIndex(numbers.view("datetime64[us]"))
    return moments if values.type.tz is None else moments.tz_localize("UTC")


def _numpy(values: pa.ChunkedArray, null: Any) -> Any:
    """Return one NumPy array that may be written to, with a value for NULL."""
    filled = values.fill_null(null) if values.null_count else values
    array = filled.to_numpy()
    return array if array.flags.writeable else array.copy()


def _texts(values: pa.ChunkedArray) -> Any:
    """Return texts in pandas' own type for them."""
    text_type: Any = _TEXT_TYPE
    if isinstance(text_type, np.dtype):
        return _objects(values)
    return text_type.__from_arrow__(values)


def _objects(values: pa.ChunkedArray) -> Any:
    """Return Python's own objects; NULL is None."""
    objects = np.empty(len(values), dtype=object)
    objects[:] = values.to_pylist()
    return objects
