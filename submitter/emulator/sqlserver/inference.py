"""The T-SQL type of every expression in a statement, from what its tables declare.

The engine cannot tell an nvarchar(32) from a varchar(max) nor tinyint / tinyint from a
fraction, so types are worked out here, before the statement is translated.
"""

import dataclasses
import decimal
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from sqlglot import exp

from submitter.emulator.sqlserver import functions
from submitter.emulator.sqlserver.precedence import (
    arithmetic_type,
    common_type,
    concatenation_type,
)
from submitter.emulator.sqlserver.types import (
    BIGINT,
    BIT,
    DATETIME,
    FLOAT,
    INT,
    Column,
    SqlType,
    nvarchar,
    parse_type,
    varchar,
)

Sources = dict[str, Sequence[Column]]  # by alias in lower case
_LONGEST_INT = 2**31 - 1
_CAST_LENGTH = 30  # of a string type without a length in CAST

_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_UNKNOWN = SqlType("")


class Inference:
    """Works out types in one statement.

    Args:
        find_columns: From a table's node to the columns it has, None if they are unknown.
        variable_type: From a variable's node to its declared type.
    """

    def __init__(
        self,
        find_columns: Callable[[exp.Table], Sequence[Column] | None],
        variable_type: Callable[[exp.Parameter], SqlType | None],
    ) -> None:
        self._find_columns = find_columns
        self._variable_type = variable_type
        self._sources: dict[int, Sources] = {}
        self._types: dict[int, SqlType | None] = {}

    def output(  # noqa: C901, PLR0911 - one branch a kind of query
        self, query: exp.Expression
    ) -> list[Column] | None:
        """Return a query's columns; None where a star cannot be told.

        A column whose type is unknown has the type with an empty name.
        """
        if isinstance(query, exp.Subquery):
            return self.output(query.this)
        if isinstance(query, exp.SetOperation):
            return self._set_operation(query)
        if isinstance(query, exp.Values):
            return self._values(query)
        if not isinstance(query, exp.Select):
            return None
        columns: list[Column] = []
        for projection in query.selects:
            if isinstance(projection, exp.Star):
                for source in self.sources(query).values():
                    columns.extend(source)
                if not self._all_known(query):
                    return None
            elif isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
                found = self.sources(query).get(projection.table.lower())
                if found is None:
                    return None
                columns.extend(found)
            else:
                columns.append(self._projected(projection))
        return columns

    def type_of(self, node: exp.Expression | None) -> SqlType | None:
        """Return an expression's type, None if it cannot be told."""
        if node is None:
            return None
        if id(node) not in self._types:
            self._types[id(node)] = self._compute(node)
        return self._types[id(node)]

    def sources(self, scope: exp.Expression) -> Sources:
        """Return what the FROM of a SELECT, UPDATE or DELETE offers, by alias."""
        if id(scope) not in self._sources:
            self._sources[id(scope)] = {}
            self._sources[id(scope)] = self._collect_sources(scope)
        return self._sources[id(scope)]

    def offer(self, scope: exp.Expression, sources: Sources) -> None:
        """Say what a scope without FROM may name, such as the columns of a CHECK."""
        self._sources[id(scope)] = sources

    def find_column(self, node: exp.Column) -> Column | None:
        """Return the declared column that a name refers to, looking outwards."""
        scope = node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert, exp.Merge)
        name = node.name.lower()
        while scope is not None:
            sources = self.sources(scope)
            candidates = [sources.get(node.table.lower(), ())] if node.table else sources.values()
            for columns in candidates:
                for column in columns:
                    if column.name.lower() == name:
                        return column if column.type.name else None
            scope = scope.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert, exp.Merge)
        return None

    def _projected(self, projection: exp.Expression) -> Column:
        inner = projection.unalias()
        named = isinstance(projection, exp.Alias | exp.Column)
        name = projection.alias_or_name if named else ""
        if isinstance(inner, exp.Column):
            column = self.find_column(inner)
            if column is not None:
                return Column(name, column.type, column.nullable, column.identity)
        return Column(name, self.type_of(inner) or _UNKNOWN)

    def _all_known(self, query: exp.Select) -> bool:
        known = self.sources(query)
        return all(item.alias_or_name.lower() in known for item in _from_items(query))

    def _set_operation(self, query: exp.SetOperation) -> list[Column] | None:
        left, right = self.output(query.left), self.output(query.right)
        if left is None or right is None or len(left) != len(right):
            return left
        merged = []
        for first, second in zip(left, right, strict=True):
            known = common_type(
                column.type if column.type.name else None for column in (first, second)
            )
            merged.append(Column(first.name, known or _UNKNOWN))
        return merged

    def _values(self, values: exp.Values) -> list[Column]:
        rows = [row.expressions for row in values.expressions]
        alias = values.args.get("alias")
        names = [name.name for name in alias.columns] if alias else []
        columns = []
        for index, cells in enumerate(zip(*rows, strict=True)):
            name = names[index] if index < len(names) else f"col{index}"
            columns.append(Column(name, common_type(map(self.type_of, cells)) or _UNKNOWN))
        return columns

    def _collect_sources(self, scope: exp.Expression) -> Sources:
        found: Sources = {}
        adds_nulls = _adds_nulls(scope)
        for item in _from_items(scope):
            columns = self._columns_of(item)
            if columns is not None:
                renamed = _renamed(item, columns)
                known = [_with_null(each) for each in renamed] if adds_nulls else renamed
                found[item.alias_or_name.lower()] = known
        if scope.find_ancestor(exp.Merge) is not None:
            return {}  # a branch of MERGE sees what MERGE sees
        if isinstance(scope, exp.Insert):
            target = scope.this.this if isinstance(scope.this, exp.Schema) else scope.this
            found["inserted"] = self._columns_of(target) or ()
        if isinstance(scope, exp.Update | exp.Delete | exp.Merge):
            target_columns = self._columns_of(scope.this) or ()
            found.setdefault(scope.this.alias_or_name.lower(), target_columns)
            found["inserted"] = found["deleted"] = found[scope.this.alias_or_name.lower()]
        return found

    def _columns_of(self, item: exp.Expression) -> Sequence[Column] | None:
        if isinstance(item, exp.Lateral):
            return self.output(item.this)
        if isinstance(item, exp.Subquery | exp.Values):
            return self.output(item)
        if not isinstance(item, exp.Table):
            return None
        expression = common_table_expression(item)
        if expression is not None:
            columns = self.output(expression.this)
            return None if columns is None else _renamed(expression, columns)
        return self._find_columns(item)

    def _compute(  # noqa: C901, PLR0911 - one branch a kind of node
        self, node: exp.Expression
    ) -> SqlType | None:
        rule = self._RULES.get(type(node))
        if rule is not None:
            return rule(self, node)
        if isinstance(node, exp.Column):
            column = self.find_column(node)
            return column.type if column is not None else None
        if type(node) in _ARITHMETIC:
            left, right = self.type_of(node.this), self.type_of(node.expression)
            if isinstance(node, exp.Add):
                joined = concatenation_type(left, right)
                if joined is not None:
                    return joined
            return arithmetic_type(_ARITHMETIC[type(node)], left, right)
        if isinstance(node, exp.Cast | exp.TryCast):
            return parse_type(node.to.sql("tsql"), _CAST_LENGTH)
        if isinstance(node, exp.Convert):
            return parse_type(node.this.sql("tsql"), _CAST_LENGTH)
        if isinstance(node, exp.Anonymous):
            found = functions.FUNCTIONS.get(node.name.lower())
            return found.type_rule(self._argument_types(node)) if found else None
        if isinstance(node, exp.Parameter):
            return self._variable_type(node)
        if isinstance(node, exp.Subquery | exp.Select):
            columns = self.output(node)
            known = columns[0].type if columns else _UNKNOWN
            return known if known.name else None
        return None

    def _argument_types(self, node: exp.Anonymous) -> list[SqlType | None]:
        return [self.type_of(argument) for argument in node.expressions]

    def _literal(self, node: exp.Literal) -> SqlType | None:
        if node.is_string:
            return varchar(max(1, len(node.name)))
        text = node.name.lower()
        if "e" in text:
            return FLOAT
        if "." in text:
            _, digits, exponent = decimal.Decimal(text).as_tuple()
            scale = -int(exponent)
            return SqlType("decimal", precision=max(len(digits), scale, 1), scale=scale)
        if abs(int(text)) <= _LONGEST_INT:
            return INT
        return SqlType("decimal", precision=len(text))

    def _case(self, node: exp.Case) -> SqlType | None:
        values = [branch.args["true"] for branch in node.args["ifs"]]
        return common_type(map(self.type_of, [*values, node.args.get("default")]))

    def _sum(self, node: exp.Sum | exp.Avg) -> SqlType | None:
        found = self._aggregated(node)
        if found is None:
            return None
        if found.name in {"tinyint", "smallint", "int"}:
            return INT
        if found.name in {"decimal", "numeric"}:
            return SqlType(found.name, precision=38, scale=found.scale)
        if found.name in {"money", "smallmoney"}:
            return SqlType("money", precision=19, scale=4)
        return FLOAT if found.name == "real" else found

    def _average(self, node: exp.Avg) -> SqlType | None:
        found = self._sum(node)
        if found is not None and found.name in {"decimal", "numeric"}:
            return SqlType(found.name, precision=38, scale=max(found.scale, 6))
        return found

    def _aggregated(self, node: exp.Expression) -> SqlType | None:
        inner = node.this
        if isinstance(inner, exp.Distinct):
            inner = inner.expressions[0]
        return self.type_of(inner)

    def _type_of_inner(self, node: exp.Expression) -> SqlType | None:
        return self.type_of(node.this)

    _RULES: ClassVar[Mapping[type, Callable[..., SqlType | None]]] = {
        exp.Literal: _literal,
        exp.National: lambda _, node: nvarchar(max(1, len(node.name.encode("utf-16-le")) // 2)),
        exp.HexString: lambda _, node: SqlType(
            "varbinary", length=max(1, (len(node.name) + 1) // 2)
        ),
        exp.Null: lambda _self, _node: None,
        exp.Paren: _type_of_inner,
        exp.Neg: _type_of_inner,
        exp.Alias: _type_of_inner,
        exp.Window: _type_of_inner,
        exp.Collate: _type_of_inner,
        exp.Ordered: _type_of_inner,
        exp.BitwiseNot: _type_of_inner,
        exp.BitwiseAnd: _type_of_inner,
        exp.BitwiseOr: _type_of_inner,
        exp.BitwiseXor: _type_of_inner,
        exp.Trim: _type_of_inner,
        exp.Case: _case,
        exp.Count: lambda _, node: BIGINT if node.args.get("big_int") else INT,
        exp.Sum: _sum,
        exp.Avg: _average,
        exp.Min: _aggregated,
        exp.Max: _aggregated,
        exp.GroupConcat: lambda _self, _node: nvarchar(4000),
        exp.CurrentTimestamp: lambda _self, _node: DATETIME,
        exp.Exists: lambda _self, _node: BIT,
    }


def common_table_expression(table: exp.Table) -> exp.CTE | None:
    """Return the WITH query that a table's name refers to, looking outwards."""
    if table.args.get("db"):
        return None
    scope: exp.Expression | None = table
    while scope is not None:
        with_ = scope.args.get("with_")
        if isinstance(with_, exp.With):
            for expression in with_.expressions:
                within = table.find_ancestor(exp.CTE) is expression
                if expression.alias.lower() == table.name.lower() and not within:
                    return expression
        scope = scope.parent
    return None


def _from_items(scope: exp.Expression) -> list[exp.Expression]:
    """Return tables, subqueries, VALUES and APPLYs of a scope, those of joins included."""
    items: list[exp.Expression] = []
    from_ = scope.args.get("from_") or scope.args.get("using")
    first = from_.this if isinstance(from_, exp.From) else from_
    pending = [first] if isinstance(first, exp.Expression) else []
    if isinstance(scope, exp.Delete):
        pending.append(scope.this)
    pending.extend(join.this for join in scope.args.get("joins") or ())
    for item in pending:
        items.append(item)
        items.extend(join.this for join in item.args.get("joins") or ())
    return items


def _adds_nulls(scope: exp.Expression) -> bool:
    """Whether NULL may stand in a column that holds none: in doubt for all tables of the scope."""
    group = scope.args.get("group")
    if group is not None and group.find(exp.Rollup, exp.Cube, exp.GroupingSets):
        return True
    joins = list(scope.args.get("joins") or ())
    for item in _from_items(scope):
        joins.extend(item.args.get("joins") or ())
    return any(
        join.args.get("side")
        or (isinstance(join.this, exp.Lateral) and not join.this.args.get("cross_apply"))
        for join in joins
    )


def _with_null(column: Column) -> Column:
    return dataclasses.replace(column, nullable=True)


def _renamed(item: exp.Expression, columns: Sequence[Column]) -> Sequence[Column]:
    """Apply the column names of an alias: `AS v(a, b)`."""
    alias = item.args.get("alias")
    names = alias.columns if isinstance(alias, exp.TableAlias) else []
    if len(names) != len(columns):
        return columns
    return [
        Column(name.name, column.type, column.nullable)
        for name, column in zip(names, columns, strict=True)
    ]
