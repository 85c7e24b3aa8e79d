"""The date functions: DATEADD, DATEDIFF, DATEPART and their kin.

Source: "Date and time data types and functions (Transact-SQL)".
"""

from collections.abc import Callable, Sequence

from sqlglot import exp

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.types import CHARACTER, DATETIME, SqlType

Types = Sequence[SqlType | None]

_PARTS = {
    "year": ("year", "yy", "yyyy"),
    "quarter": ("quarter", "qq", "q"),
    "month": ("month", "mm", "m"),
    "dayofyear": ("dayofyear", "dy", "y"),
    "day": ("day", "dd", "d"),
    "week": ("week", "wk", "ww"),
    "weekday": ("weekday", "dw", "w"),
    "hour": ("hour", "hh"),
    "minute": ("minute", "mi", "n"),
    "second": ("second", "ss", "s"),
    "millisecond": ("millisecond", "ms"),
    "microsecond": ("microsecond", "mcs"),
    "iso_week": ("iso_week", "isowk", "isoww"),
}
_PART_OF = {alias: part for part, aliases in _PARTS.items() for alias in aliases}


def date_add(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """DATEADD."""
    part = _date_part(arguments[0])
    part = "day" if part in {"dayofyear", "weekday"} else part
    start = arguments[2]
    if part == "quarter":
        amount, part = template("3 * :n", n=arguments[1]), "month"
    else:
        amount = arguments[1]
    kind = types[2] if types[2] is not None and types[2].name not in CHARACTER else DATETIME
    return template(
        f"CAST(CAST(:start AS {kind.duckdb}) + to_{part}s(CAST(:amount AS INTEGER)) "
        f"AS {kind.duckdb})",
        start=start,
        amount=amount,
    )


def date_add_type(types: Types) -> SqlType | None:
    """Return the type of DATEADD: that of the date."""
    found = types[2]
    return DATETIME if found is None or found.name in CHARACTER else found


# Sundays since the first one of the calendar.
_SUNDAYS = "date_diff('day', DATE '0001-01-07', CAST(:{0} AS DATE)) // 7"


def date_difference_big(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """DATEDIFF_BIG."""
    cast = date_difference(arguments, types)
    cast.set("to", exp.DataType.build("BIGINT", dialect="duckdb"))
    return cast


def date_difference(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """Count boundaries; a T-SQL week begins on Sunday, DuckDB's on Monday."""
    part = _date_part(arguments[0])
    part = "day" if part in {"dayofyear", "weekday"} else part
    if part == "week":
        return template(
            f"CAST({_SUNDAYS.format('end')} - {_SUNDAYS.format('start')} AS INTEGER)",
            start=arguments[1],
            end=arguments[2],
        )
    kind = "TIMESTAMP"
    if all(found is not None and found.name == "time" for found in types[1:]):
        kind = "TIME"
    return template(
        f"CAST(date_diff('{part}', CAST(:start AS {kind}), CAST(:end AS {kind})) AS INTEGER)",
        start=arguments[1],
        end=arguments[2],
    )


_DATE_PART_SQL = {
    "weekday": "dayofweek({0}) + 1",
    "week": "(dayofyear({0}) + dayofweek(date_trunc('year', {0})) - 1) // 7 + 1",
    "iso_week": "week({0})",
    "second": "CAST(floor(date_part('second', {0})) AS INTEGER)",
    "millisecond": "millisecond({0}) % 1000",
    "microsecond": "microsecond({0}) % 1000000",
}


def date_part_of(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """DATEPART."""
    return _part_of_value(_date_part(arguments[0]), arguments[1], types[1])


def _part_of_value(part: str, value: exp.Expression, kind: SqlType | None) -> exp.Expression:
    written = _DATE_PART_SQL.get(part, f"{part}({{0}})")
    target = "TIME" if kind is not None and kind.name == "time" else "TIMESTAMP"
    return template(f"CAST({written.format(f'CAST(:value AS {target})')} AS INTEGER)", value=value)


def date_name(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """DATENAME."""
    part = _date_part(arguments[0])
    if part in {"month", "weekday"}:
        return template(
            f"strftime(CAST(:value AS TIMESTAMP), '{'%B' if part == 'month' else '%A'}')",
            value=arguments[1],
        )
    return template("CAST(:part AS VARCHAR)", part=_part_of_value(part, arguments[1], types[1]))


def one_part(part: str) -> Callable[[list[exp.Expression], Types], exp.Expression]:
    """Return what computes YEAR, MONTH or DAY."""
    return lambda arguments, types: _part_of_value(part, arguments[0], types[0])


def _date_part(argument: exp.Expression) -> str:
    """Return the full name of a date part that T-SQL writes as a bare word."""
    written = argument.name.lower()
    if written not in _PART_OF:
        raise SqlError(155, f"'{argument.name}' is not a recognized datepart option.", severity=15)
    return _PART_OF[written]
