"""Functions in FROM: the columns that each has and the DuckDB query that computes its rows.

Sources: "STRING_SPLIT" and "GENERATE_SERIES (Transact-SQL)".
"""

from sqlglot import exp

from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.types import BIGINT, INT, Column, nvarchar

_SPLIT = "unnest(string_split(:text, :separator))"
_ORDINAL = "CAST(generate_subscripts(string_split(:text, :separator), 1) AS BIGINT)"


def columns(call: exp.Anonymous) -> list[Column]:
    """Return the columns of a function's rows.

    Raises:
        SqlError: 40000 for a function that is not played.
    """
    return [column for column, _ in _parts(call)]


def query(call: exp.Anonymous) -> exp.Select:
    """Return the query that computes a function's rows; its arguments are rewritten already.

    Raises:
        SqlError: 40000 for a function that is not played.
    """
    return exp.select(*(exp.alias_(value, column.name) for column, value in _parts(call)))


def _parts(call: exp.Anonymous) -> list[tuple[Column, exp.Expression]]:
    name, arguments = call.name.lower(), call.expressions
    if name == "string_split":
        return _string_split(arguments)
    if name == "generate_series":
        return _generate_series(arguments)
    raise not_played(f"the table function {call.name}")


def _string_split(arguments: list[exp.Expression]) -> list[tuple[Column, exp.Expression]]:
    if len(arguments) not in {2, 3}:
        raise _wrong_count("string_split", 2)
    text, separator, *enabled = arguments
    parts = [
        (Column("value", nvarchar(4000)), template(_SPLIT, text=text, separator=separator)),
    ]
    if enabled and enabled[0].name not in {"0", "1"}:
        raise not_played("STRING_SPLIT with an enable_ordinal other than 0 or 1")
    if enabled and enabled[0].name == "1":
        ordinal = template(_ORDINAL, text=text, separator=separator)
        parts.append((Column("ordinal", BIGINT), ordinal))
    return parts


def _generate_series(arguments: list[exp.Expression]) -> list[tuple[Column, exp.Expression]]:
    if len(arguments) not in {2, 3}:
        raise _wrong_count("generate_series", 2)
    start, stop, *step = arguments
    values = template(
        "unnest(generate_series(CAST(:start AS INTEGER), CAST(:stop AS INTEGER), :step))",
        start=start,
        stop=stop,
        step=step[0] if step else 1,
    )
    return [(Column("value", INT), template("CAST(:series AS INTEGER)", series=values))]


def _wrong_count(name: str, expected: int) -> SqlError:
    return SqlError(174, f"The {name} function requires {expected} argument(s).", severity=15)
