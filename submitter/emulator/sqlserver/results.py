"""The columns of a result: what was declared, where the engine's values agree with it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from submitter.emulator.sqlserver.types import CHARACTER, Column, SqlType, type_of_arrow

_FAMILIES = (
    ("bit",),
    ("tinyint", "smallint", "int", "bigint"),
    ("real", "float"),
    ("decimal", "numeric", "money", "smallmoney"),
    ("datetime", "smalldatetime", "datetime2"),
    ("binary", "varbinary", "timestamp"),
    ("date",),
    ("time",),
    ("datetimeoffset",),
)
_FAMILY = {name: family for family in _FAMILIES for name in family}


def result_columns(known: Sequence[Column] | None, schema: pa.Schema) -> list[Column]:
    """Return the columns to announce.

    Args:
        known: What inference says, in the order of the result; a type without a name is
            unknown, None is nothing known at all.
        schema: What the engine returns.
    """
    if known is None or len(known) != len(schema):
        return [Column(field.name, type_of_arrow(field.type)) for field in schema]
    columns = []
    for column, field in zip(known, schema, strict=True):
        if column.type.name and _agrees(column.type, field.type):
            columns.append(column)
        else:
            columns.append(Column(column.name, type_of_arrow(field.type)))
    return columns


def values(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of batches as Python values."""
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _agrees(declared: SqlType, arrow: pa.DataType) -> bool:
    """Whether the engine's values fit the declared type without a change of kind."""
    if pa.types.is_null(arrow):
        return True
    found = type_of_arrow(arrow)
    if declared.name in CHARACTER or declared.name == "uniqueidentifier":
        return found.name in CHARACTER
    return _FAMILY.get(found.name) == _FAMILY.get(declared.name)
