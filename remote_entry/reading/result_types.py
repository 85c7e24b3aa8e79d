"""The columns of a result: SQL Server's type → Arrow's, the same on every way to the server.

    SQL type                                 Arrow
    bit                                      bool
    tinyint, smallint, int, bigint           uint8, int16, int32, int64
    real, float                              float, double
    decimal(p,s), numeric(p,s)               decimal128(p, s)
    money, smallmoney                        decimal128(19, 4), decimal128(10, 4)
    date                                     date32
    time                                     time64[us]
    datetime, smalldatetime, datetime2       timestamp[us]
    datetimeoffset                           timestamp[us, UTC]: the instant, not the offset
    char, varchar, nchar, nvarchar           string; large_string for max
    xml, text, ntext                         large_string
    uniqueidentifier                         string, in SQL Server's own upper case
    binary, varbinary, rowversion            binary; large_binary for max

A seventh digit of a second (100 ns) is cut off, as the drivers cut it. Whether a field is nullable
is what the server says of the query's column.
"""

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

INSTANT = pa.timestamp("us", "UTC")
MOMENT = pa.timestamp("us")
TIME_OF_DAY = pa.time64("us")
# What pyodbc's description does not tell apart; no driver hands over Arrow's string view.
UNTOLD_INSTANT_OR_TEXT = pa.string_view()
_INSTANT_LETTERS = 26  # of a datetimeoffset(0)
_ENDLESS = frozenset({0, 2**31 - 1, 2**30 - 1})  # what drivers say of a max column's size
_SINGLE_PRECISION = 24  # binary digits of a real

Description = Sequence[Any]  # one entry of PEP 249's cursor.description


def schema_of_arrow(schema: pa.Schema) -> pa.Schema:
    """Return the schema that a driver's own Arrow schema, without max types, stands for."""
    return pa.schema([field.with_type(_settled(field.type)) for field in schema])


def schema_of_description(description: Sequence[Description]) -> pa.Schema:
    """Return the schema of a result that pyodbc describes.

    Args:
        description: PEP 249's ``cursor.description``.

    Returns:
        A schema; a column whose type the driver does not tell has Arrow's null type, or
        ``UNTOLD_INSTANT_OR_TEXT``.
    """
    return pa.schema(
        [
            pa.field(str(entry[0]), _type_of_entry(entry), nullable=entry[6] is not False)
            for entry in description
        ]
    )


def is_endless(entry: Description) -> bool:
    """Tell whether a described column is one of a max type, or xml."""
    return entry[1] in {str, bytes, bytearray} and entry[3] in _ENDLESS


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a driver's batch in the schema that was announced."""
    arrays = [
        # Not safe: it cuts off the nanoseconds of a time.
        column if column.type == field.type else column.cast(field.type, safe=False)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _settled(kind: pa.DataType) -> pa.DataType:
    """Return the one type that stands for what drivers give in several."""
    types = pa.types
    if types.is_timestamp(kind):
        return MOMENT if kind.tz is None else INSTANT
    if types.is_time(kind):
        return TIME_OF_DAY
    if types.is_string(kind) or types.is_large_string(kind):
        return pa.string()
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    return kind


def _type_of_entry(entry: Description) -> pa.DataType:
    """Return a described column's type."""
    _, kind, _, size, precision, scale, _ = entry
    if kind is str and (scale or 0) > 0:
        return INSTANT  # pyodbc calls a datetimeoffset text, but text has no scale
    if kind in _PLAIN:
        return _PLAIN[kind](size, precision, scale)
    return pa.null()


def _integer(_: int, digits: int, __: int) -> pa.DataType:
    return {3: pa.uint8(), 5: pa.int16(), 10: pa.int32()}.get(digits, pa.int64())


def _float(_: int, digits: int, __: int) -> pa.DataType:
    return pa.float32() if digits and digits <= _SINGLE_PRECISION else pa.float64()


def _text(size: int, _: int, __: int) -> pa.DataType:
    if size == _INSTANT_LETTERS:
        return UNTOLD_INSTANT_OR_TEXT
    return pa.large_string() if size in _ENDLESS else pa.string()


def _bytes(size: int, _: int, __: int) -> pa.DataType:
    return pa.large_binary() if size in _ENDLESS else pa.binary()


_PLAIN: dict[Any, Callable[[int, int, int], pa.DataType]] = {
    bool: lambda *_: pa.bool_(),
    int: _integer,
    float: _float,
    decimal.Decimal: lambda _, digits, scale: pa.decimal128(digits, scale),
    dt.date: lambda *_: pa.date32(),
    dt.time: lambda *_: TIME_OF_DAY,
    dt.datetime: lambda *_: MOMENT,
    str: _text,
    uuid.UUID: lambda *_: pa.string(),
    bytes: _bytes,
    bytearray: _bytes,
}
