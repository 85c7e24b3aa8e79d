"""Functions in FROM: the columns that each has and the DuckDB query that computes its rows.

Sources: "STRING_SPLIT" and "GENERATE_SERIES (Transact-SQL)".
"""

import dataclasses

from sqlglot import exp

from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.types import BIGINT, INT, Column, nvarchar

_VALUE = "unnest(:items)"
_ORDINAL = "generate_subscripts(:items, 1)"


@dataclasses.dataclass(frozen=True)
class _Rows:
    """A DuckDB list with an item a row, and what each column is of it: a template of :items."""

    items: exp.Expression
    columns: list[tuple[Column, str]]


def columns(call: exp.Anonymous) -> list[Column]:
    """Return the columns of a function's rows.

    Raises:
        SqlError: 40000 for a function that is not played.
    """
    return [column for column, _ in _rows(call).columns]


def query(call: exp.Anonymous, *, number: str | None = None) -> exp.Select:
    """Return the query that computes a function's rows.

    Args:
        call: The function; its arguments are rewritten already.
        number: The name of one more column that numbers the rows, None to have none.

    Raises:
        SqlError: 40000 for a function that is not played.
    """
    rows = _rows(call)
    named = [(column.name, value) for column, value in rows.columns]
    if number is not None:
        named.append((number, _ORDINAL))
    return exp.select(
        *(exp.alias_(template(value, items=rows.items), name, quoted=True) for name, value in named)
    )


def _rows(call: exp.Anonymous) -> _Rows:
    name, arguments = call.name.lower(), call.expressions
    if name == "string_split":
        return _string_split(arguments)
    if name == "generate_series":
        return _generate_series(arguments)
    raise not_played(f"the table function {call.name}")


def _string_split(arguments: list[exp.Expression]) -> _Rows:
    if len(arguments) not in {2, 3}:
        raise _wrong_count("string_split", 2)
    text, separator, *enabled = arguments
    columns = [(Column("value", nvarchar(4000)), _VALUE)]
    if enabled and enabled[0].name not in {"0", "1"}:
        raise not_played("STRING_SPLIT with an enable_ordinal other than 0 or 1")
    if enabled and enabled[0].name == "1":
        columns.append((Column("ordinal", BIGINT), f"CAST({_ORDINAL} AS BIGINT)"))
    items = template("string_split(:text, :separator)", text=text, separator=separator)
    return _Rows(items, columns)


def _generate_series(arguments: list[exp.Expression]) -> _Rows:
    if len(arguments) not in {2, 3}:
        raise _wrong_count("generate_series", 2)
    start, stop, *step = arguments
    items = template(
        "generate_series(CAST(:start AS INTEGER), CAST(:stop AS INTEGER), :step)",
        start=start,
        stop=stop,
        step=step[0] if step else 1,
    )
    return _Rows(items, [(Column("value", INT), f"CAST({_VALUE} AS INTEGER)")])


def _wrong_count(name: str, expected: int) -> SqlError:
    return SqlError(174, f"The {name} function requires {expected} argument(s).", severity=15)
