"""What a partition's columns add up to, on the server and in the files.

    numbers                            their sum, as decimals
    date, time, datetime2, …           the sum of days, or of whole microseconds, since the first
    text, uniqueidentifier, bytes      the sum of the first four bytes of each value's SHA-256,
                                       of its UTF-16 form if it is text
    all                                how many are not NULL

Sums do not depend on an order, so neither side sorts. Of float, real, datetime, datetimeoffset,
xml and decimals of more than 28 digits only the count is compared: their sums are rounded, or may
overflow.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from remote_entry.extract.data_set import Column
from remote_entry.extract.server.keys import quoted
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.windows import where
from remote_entry.extract.spec import Spec

Sums = tuple[int | Decimal, ...]

_LONGEST_SUMMED = 28  # digits: ten thousand million such values still fit into 38
_DAY_ZERO = 719_162  # days from 0001-01-01 to 1970-01-01
_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True)
class _Measure:
    """What is added up of a value that is not NULL.

    Attributes:
        sql: Returns the T-SQL of it, of a column.
        arrow: Returns the sum over a column without NULLs.
    """

    sql: Callable[[str], str]
    arrow: Callable[[pa.Array], int | Decimal]


def sums_on_server(
    source: Source, spec: Spec, conditions: Iterable[str], columns: Sequence[Column]
) -> Sums:
    """Return the count and the sum of each column of the rows for which conditions hold."""
    terms = ["COUNT_BIG(*)"]
    for column in columns:
        name, measure = f"q.{quoted(column.name)}", _measure_of(column)
        added = f"COALESCE(SUM(CAST({measure.sql(name)} AS {_sum_type(column)})), 0)"
        # Of text, ntext and image the server counts no values, but knows which are NULL.
        counted = f"COUNT_BIG(CASE WHEN {name} IS NOT NULL THEN 1 END)"
        terms += [counted, added if measure is not _NOTHING else "0"]
    named = ", ".join(f"{term} AS t{number}" for number, term in enumerate(terms))
    [row] = source.ask(f"SELECT {named} FROM {spec.relation}{where(conditions)}")  # noqa: S608
    return tuple(row)


def sums_of_batches(batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> Sums:
    """Return the same of the rows of files."""
    totals: list[int | Decimal] = [0] * (1 + 2 * len(columns))
    for batch in batches:
        totals[0] += batch.num_rows
        for position, column in enumerate(columns):
            values = batch.column(column.name).drop_null()
            totals[1 + 2 * position] += len(values)
            totals[2 + 2 * position] += _measure_of(column).arrow(values) if len(values) else 0
    return tuple(totals)


def differences(server: Sums, files: Sums, columns: Sequence[Column]) -> list[str]:
    """Return the names of the columns that add up to something else; rows alone are no column."""
    return [
        column.name
        for position, column in enumerate(columns)
        if server[1 + 2 * position : 3 + 2 * position] != files[1 + 2 * position : 3 + 2 * position]
    ]


def _measure_of(column: Column) -> _Measure:
    base = column.type.partition("(")[0]
    if base in _DECIMALS and _digits(column)[0] > _LONGEST_SUMMED:
        return _NOTHING
    return _MEASURES.get(base, _NOTHING)


def _sum_type(column: Column) -> str:
    """Return a type that holds the sum, to the last digit."""
    base = column.type.partition("(")[0]
    scale = _digits(column)[1] if base in _DECIMALS else _MONEY_SCALES.get(base, 0)
    return f"decimal(38, {scale})"


def _digits(column: Column) -> tuple[int, int]:
    """Return the precision and the scale of a decimal."""
    precision, _, scale = column.type.partition("(")[2].rstrip(")").partition(",")
    return int(precision), int(scale or 0)


def _sum_of_numbers(values: pa.Array) -> Decimal:
    scale = values.type.scale if pa.types.is_decimal(values.type) else 0
    whole = values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values
    total: Decimal = pc.sum(whole.cast(pa.decimal128(38, scale))).as_py()
    return total


def _sum_of_days(values: pa.Array) -> Decimal:
    return _sum_of_numbers(values.cast(pa.int32())) + _DAY_ZERO * len(values)


def _sum_of_microseconds(values: pa.Array) -> Decimal:
    return _sum_of_numbers(values.cast(pa.int64()))


def _sum_of_moments(values: pa.Array) -> Decimal:
    return _sum_of_microseconds(values) + _DAY_ZERO * _MICROSECONDS_A_DAY * len(values)


def _sum_of_digests(values: pa.Array) -> int:
    digests = (hashlib.sha256(_bytes(value)).digest() for value in values.to_pylist())
    return sum(int.from_bytes(digest[:4], "big") for digest in digests)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-16-le") if isinstance(value, str) else value


def _digest(value: str) -> str:
    return f"CAST(SUBSTRING(HASHBYTES('SHA2_256', {value}), 1, 4) AS bigint)"


_NOTHING = _Measure(lambda _: "0", lambda _: 0)
_NUMBER = _Measure(lambda name: name, _sum_of_numbers)
_DAY = _Measure(
    lambda name: f"DATEDIFF(day, CONVERT(date, '0001-01-01', 23), {name})", _sum_of_days
)
_MOMENT = _Measure(
    lambda name: (
        f"DATEDIFF_BIG(microsecond, CONVERT(datetime2(7), '0001-01-01', 121), "
        f"CAST({name} AS datetime2(7)))"
    ),
    _sum_of_moments,
)
_TIME = _Measure(
    lambda name: f"DATEDIFF_BIG(microsecond, CONVERT(time(7), '00:00:00', 114), {name})",
    _sum_of_microseconds,
)
_TEXT = _Measure(lambda name: _digest(f"CAST({name} AS nvarchar(max))"), _sum_of_digests)
_BYTES = _Measure(_digest, _sum_of_digests)
_DECIMALS = frozenset({"decimal", "numeric"})
_MONEY_SCALES = {"money": 4, "smallmoney": 4}
_MEASURES: Mapping[str, _Measure] = {
    **dict.fromkeys(["bit", "tinyint", "smallint", "int", "bigint"], _NUMBER),
    **dict.fromkeys([*_DECIMALS, *_MONEY_SCALES], _NUMBER),
    "date": _DAY,
    **dict.fromkeys(["datetime2", "smalldatetime"], _MOMENT),
    "time": _TIME,
    **dict.fromkeys(["char", "varchar", "nchar", "nvarchar", "uniqueidentifier"], _TEXT),
    **dict.fromkeys(["binary", "varbinary", "timestamp", "rowversion"], _BYTES),
}
