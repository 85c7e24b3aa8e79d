"""SUM and AVG with T-SQL's types: whole numbers stay whole, with and without a window."""

from sqlglot import exp

from submitter.emulator.sqlserver.operators import TypeOf, ValueRule
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.precedence import is_integer
from submitter.emulator.sqlserver.types import SqlType


def _sum(node: exp.Sum, type_of: TypeOf) -> exp.Expression:
    result = type_of(node)
    if result is None:
        return node
    return _typed(node, result)


def _average(node: exp.Avg, type_of: TypeOf) -> exp.Expression:
    """The average of whole numbers is a whole number, cut."""
    result = type_of(node)
    if result is None or result.name == "float":
        return node
    return _typed(node, result, cut=is_integer(result))


def _typed(node: exp.Expression, result: SqlType, *, cut: bool = False) -> exp.Expression:
    """Cast an aggregate; if it has a window, the cast goes around the window."""
    if isinstance(node.parent, exp.Window):
        return node
    inner = "trunc(:value)" if cut else ":value"
    return template(f"CAST({inner} AS {result.duckdb})", value=node.copy())


def _window(node: exp.Window, type_of: TypeOf) -> exp.Expression:
    result = type_of(node)
    if not isinstance(node.this, exp.Sum | exp.Avg) or result is None:
        return node
    inner = "trunc(:value)" if isinstance(node.this, exp.Avg) and is_integer(result) else ":value"
    return template(f"CAST({inner} AS {result.duckdb})", value=node.copy())


RULES: dict[type[exp.Expression], ValueRule] = {
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Window: _window,
}
