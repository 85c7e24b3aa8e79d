"""Parameters by name → parameters by place, as ODBC binds them."""

from collections.abc import Mapping, Sequence
from typing import Any


def positional(
    sql: str, params: Mapping[str, Any] | Sequence[Any] | None
) -> tuple[str, tuple[Any, ...]]:
    """Return a text with ``?`` for each parameter, and the values in that order.

    Args:
        sql: T-SQL; ``:name`` stands for a parameter of a mapping, ``?`` for one of a sequence.
        params: The values; with None, colons and question marks mean nothing.

    Raises:
        sqlalchemy.exc.StatementError: The mapping lacks a name.
    """
    if not isinstance(params, Mapping):
        return sql, tuple(params or ())
    from sqlalchemy import text
    from sqlalchemy.dialects import mssql

    dialect: Any = mssql.dialect
    compiled = text(sql).compile(dialect=dialect(paramstyle="qmark"))
    values = compiled.construct_params(dict(params))
    names = getattr(compiled, "positiontup", None) or ()
    return str(compiled), tuple(values[name] for name in names)
