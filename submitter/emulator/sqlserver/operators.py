"""Operators between T-SQL values, in DuckDB's words.

What differs silently between the two engines is here: whole-number division, + between
strings, precedence in comparisons, LIKE without case, collations. A rule rewrites one class of
node; the parts of the node are rewritten already.
"""

from collections.abc import Callable, Sequence

from sqlglot import exp

from submitter.emulator.sqlserver import patterns
from submitter.emulator.sqlserver.conversions import convert
from submitter.emulator.sqlserver.errors import not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.precedence import common_type, is_integer
from submitter.emulator.sqlserver.types import BINARY, CHARACTER, DATE_AND_TIME, SqlType

TypeOf = Callable[[exp.Expression], SqlType | None]
ValueRule = Callable[..., exp.Expression]  # of a node and a TypeOf


def _add(node: exp.Add, type_of: TypeOf) -> exp.Expression:
    left, right = type_of(node.this), type_of(node.expression)
    result = type_of(node)
    if result is not None and result.name in CHARACTER:
        return exp.DPipe(this=node.this, expression=node.expression)
    if left is not None and left.name in {"datetime", "smalldatetime"} and is_integer(right):
        return template(":day + to_days(:count)", day=node.this, count=node.expression)
    return _arithmetic(node, type_of)


def _subtract(node: exp.Sub, type_of: TypeOf) -> exp.Expression:
    left, right = type_of(node.this), type_of(node.expression)
    if left is not None and left.name in {"datetime", "smalldatetime"} and is_integer(right):
        return template(":day - to_days(:count)", day=node.this, count=node.expression)
    if any(side is not None and side.name in DATE_AND_TIME for side in (left, right)):
        raise not_played("the difference of two dates; DATEDIFF is played")
    return _arithmetic(node, type_of)


def _arithmetic(node: exp.Binary, type_of: TypeOf) -> exp.Expression:
    """Text beside a number becomes one; the lower type becomes the higher."""
    left, right = type_of(node.this), type_of(node.expression)
    result = type_of(node)
    if result is None or result.name in CHARACTER | BINARY:
        return node
    for part, sql_type in (("this", left), ("expression", right)):
        if sql_type is not None and sql_type.name in CHARACTER | {"bit"}:
            node.set(part, convert(node.args[part], sql_type, result))
    return node


def _divide(node: exp.Div, type_of: TypeOf) -> exp.Expression:
    left, right = type_of(node.this), type_of(node.expression)
    node = _arithmetic(node, type_of)
    divisor = template(
        "CASE WHEN :d = 0 THEN error('Divide by zero') ELSE :d END", d=node.expression
    )
    if is_integer(left) and is_integer(right):
        return template(":left // :right", left=node.this, right=divisor)
    quotient = template(":left / :right", left=node.this, right=divisor)
    result = type_of(node)
    if result is not None and result.name not in {"real", "float"}:
        return template(f"CAST(:value AS {result.duckdb})", value=quotient)
    return quotient


def _modulo(node: exp.Mod, _: TypeOf) -> exp.Expression:
    divisor = template(
        "CASE WHEN :d = 0 THEN error('Divide by zero') ELSE :d END", d=node.expression
    )
    return template(":left % :right", left=node.this, right=divisor)


def _compare(node: exp.Binary, type_of: TypeOf) -> exp.Expression:
    _harmonise(node, ("this", "expression"), type_of)
    return node


def _between(node: exp.Between, type_of: TypeOf) -> exp.Expression:
    _harmonise(node, ("this", "low", "high"), type_of)
    return node


def _in(node: exp.In, type_of: TypeOf) -> exp.Expression:
    kinds = [type_of(node.this), *map(type_of, node.expressions)]
    shared = common_type(kinds)
    if shared is None:
        return node
    node.set("this", _to_shared(node.this, shared, type_of))
    node.set("expressions", [_to_shared(item, shared, type_of) for item in node.expressions])
    return node


def _harmonise(node: exp.Expression, parts: Sequence[str], type_of: TypeOf) -> None:
    """Compare values of different types as the one of higher precedence."""
    shared = common_type(type_of(node.args[part]) for part in parts)
    if shared is not None:
        for part in parts:
            node.set(part, _to_shared(node.args[part], shared, type_of))


def _to_shared(value: exp.Expression, shared: SqlType, type_of: TypeOf) -> exp.Expression:
    found = type_of(value)
    if found is None or shared.name in CHARACTER:
        return value
    is_bytes = found.name in BINARY and is_integer(shared)
    if found.name in CHARACTER or is_bytes or (found.name == "bit" and shared.name != "bit"):
        return convert(value, found, shared)
    return value


def _like(node: exp.Like, _: TypeOf) -> exp.Expression:
    if isinstance(node.parent, exp.Escape):
        return node
    return _like_with_escape(node, None)


def _escape(node: exp.Escape, _: TypeOf) -> exp.Expression:
    return _like_with_escape(node.this, node.expression)


def _like_with_escape(node: exp.Like, escape: exp.Expression | None) -> exp.Expression:
    parts = (node.this, node.expression)
    text, pattern = (part.this if isinstance(part, exp.Collate) else part for part in parts)
    return patterns.like(text, pattern, escape, heeds_case=(text, pattern) != parts)


def _collate(node: exp.Collate, _: TypeOf) -> exp.Expression:
    name = node.expression.name.lower()
    if "_ci_" in name or name == "database_default":
        return node.this
    return exp.Collate(this=node.this, expression=exp.Var(this="binary"))


RULES: dict[type[exp.Expression], ValueRule] = {
    exp.Add: _add,
    exp.Sub: _subtract,
    exp.Mul: _arithmetic,
    exp.Div: _divide,
    exp.Mod: _modulo,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _compare),
    exp.Between: _between,
    exp.In: _in,
    exp.Like: _like,
    exp.Escape: _escape,
    exp.Collate: _collate,
}
