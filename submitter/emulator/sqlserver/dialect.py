"""T-SQL expressions and queries to DuckDB: the same answer, or a refusal.

Types come first (`inference`), then every node is rewritten from the leaves up by the rule
of its class. What differs silently between the two engines is what this module is about:
whole-number division, + between strings, precedence in comparisons, LIKE without case,
truncating casts. Known differences that remain: text is compared without regard to case but
trailing blanks count; a datetimeoffset keeps its instant and not its zone; the seventh digit
of a second is lost; a decimal quotient is exact to fifteen digits.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import (
    apply,
    functions,
    patterns,
    system_values,
    system_views,
    table_functions,
    top,
)
from submitter.emulator.sqlserver.catalog import Namespace, Table
from submitter.emulator.sqlserver.conversions import convert
from submitter.emulator.sqlserver.errors import SqlError, invalid_object, not_played
from submitter.emulator.sqlserver.inference import Inference, common_table_expression
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.precedence import common_type, is_integer
from submitter.emulator.sqlserver.types import (
    BINARY,
    CHARACTER,
    DATE_AND_TIME,
    Column,
    SqlType,
    parse_type,
)

_CAST_LENGTH = 30
_HARMLESS_HINTS = frozenset(
    [
        "nolock",
        "readuncommitted",
        "readcommitted",
        "readpast",
        "repeatableread",
        "serializable",
        "holdlock",
        "rowlock",
        "paglock",
        "tablock",
        "tablockx",
        "updlock",
        "xlock",
        "snapshot",
        "nowait",
        "noexpand",
        "forceseek",
        "forcescan",
    ]
)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


@dataclasses.dataclass(frozen=True)
class Translation:
    """A statement for the engine.

    Attributes:
        sql: DuckDB's text.
        variables: The names of the T-SQL variables to bind, as the text writes them.
        system: What to ask the session for, by the name that the text writes.
        views: Catalogue views to put at the engine's disposal, by name.
        columns: A query's columns as far as their types are known.
        reads_tables: Whether any table is involved.
    """

    sql: str
    variables: frozenset[str]
    system: Mapping[str, system_values.SystemValue]
    views: Mapping[str, pa.Table]
    columns: Sequence[Column] | None
    reads_tables: bool = True


class Translator:
    """Translates the parts of one statement.

    Args:
        namespace: What names mean.
        variables: The types of the variables in scope, by name in lower case.
    """

    def __init__(self, namespace: Namespace, variables: Mapping[str, SqlType]) -> None:
        self.namespace = namespace
        self._variables = variables
        self._numbers = itertools.count()
        self._system: dict[str, system_values.SystemValue] = {}
        self._used: set[str] = set()
        self._views: dict[str, pa.Table] = {}
        self.inference = Inference(self._columns_of_table, self._type_of_variable)
        self._kept_alive: list[exp.Expression] = []
        self._types: dict[int, SqlType | None] = {}

    def query(self, tree: exp.Expression) -> Translation:
        """Translate a query and tell its columns."""
        tree = self.prepare(tree)
        columns = self.inference.output(tree)
        reads_tables = tree.find(exp.Table) is not None
        translation = self.finish(self.rewrite(tree), columns)
        return dataclasses.replace(translation, reads_tables=reads_tables)

    def prepare(self, tree: exp.Expression) -> exp.Expression:
        """Refuse what is not played and bind what asks about the session."""
        _refuse_unplayed(tree)
        for node in list(tree.walk()):
            value = self._system_value(node)
            if value is not None:
                name = f"system_{next(self._numbers)}"
                self._system[name] = value
                parameter = exp.Parameter(this=exp.Var(this=name))
                if node is tree:
                    return parameter
                node.replace(parameter)
        return tree

    def rewrite(self, tree: exp.Expression) -> exp.Expression:
        """Return the tree in DuckDB's terms; `prepare` has seen it."""
        nodes = list(tree.walk())
        self._kept_alive.extend(nodes)
        for node in nodes:
            self._types[id(node)] = self.inference.type_of(node)
        for node in reversed(nodes):
            rule = self._RULES.get(type(node))
            if rule is None:
                continue
            replacement = rule(self, node)
            if replacement is node:
                continue
            self._kept_alive.append(replacement)
            self._types[id(replacement)] = self._types[id(node)]
            if node is tree:
                tree = replacement
            elif node.parent is not None:
                node.replace(replacement)
        return tree

    def finish(
        self, tree: exp.Expression | str, columns: Sequence[Column] | None = None
    ) -> Translation:
        """Return the text and all that must be bound to it."""
        sql = tree if isinstance(tree, str) else duckdb_text(tree)
        return Translation(
            sql, frozenset(self._used), dict(self._system), dict(self._views), columns
        )

    def type_of(self, node: exp.Expression | None) -> SqlType | None:
        """Return the T-SQL type of a node, rewritten or not."""
        if node is None:
            return None
        return self._types[id(node)] if id(node) in self._types else self.inference.type_of(node)

    def target(self, node: exp.Expression) -> Table:
        """Return the table that a statement changes.

        Raises:
            SqlError: 208 if there is none.
        """
        table = node.this if isinstance(node, exp.Schema) else node
        found = self._find(table)
        if found is None:
            raise invalid_object(_written_name(table))
        return found

    def variable(self, node: exp.Parameter) -> SqlType:
        """Return the type of a variable.

        Raises:
            SqlError: 137 if it was not declared.
        """
        name = node.name.lower()
        if name not in self._variables:
            raise SqlError(137, f'Must declare the scalar variable "@{node.name}".', severity=15)
        return self._variables[name]

    def is_used(self, name: str) -> bool:
        """Whether a name in the translated text stands for a T-SQL variable."""
        return name in self._used

    def _find(self, node: exp.Table) -> Table | None:
        return self.namespace.find(table_name(node), node.db, _database_of(node))

    def _columns_of_table(self, node: exp.Table) -> Sequence[Column] | None:
        if isinstance(node.this, exp.Func):
            return table_functions.columns(node.this)
        view = self._system_view(node)
        if view is not None:
            return system_views.columns_of(view)
        found = self._find(node)
        return found.columns if found is not None else None

    def _system_view(self, node: exp.Table) -> pa.Table | None:
        if not system_views.is_system(node.db):
            return None
        return system_views.view(
            node.db, node.name, self.namespace, _database_of(node) or self.namespace.database
        )

    def _type_of_variable(self, node: exp.Parameter) -> SqlType | None:
        name = node.name.lower()
        if name in self._system:
            return self._system[name].type
        return self.variable(node)

    def _system_value(self, node: exp.Expression) -> system_values.SystemValue | None:
        if isinstance(node, exp.Parameter) and isinstance(node.this, exp.Parameter):
            return system_values.variable(node.this.name)
        if isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.Table):
            return system_values.function(node.name, node.expressions)
        if isinstance(node, exp.CurrentTimestamp):
            return system_values.function("getdate", ())
        if isinstance(node, exp.CurrentUser):
            return system_values.function("user_name", ())
        return None

    # The rules, one a class of node.

    def _table(self, node: exp.Table) -> exp.Expression:
        if isinstance(node.this, exp.Func):
            alias = node.args.get("alias") or exp.to_identifier(node.this.name)
            rows = exp.Subquery(this=table_functions.query(node.this), alias=alias)
            rows.set("joins", node.args.get("joins"))
            return rows
        if common_table_expression(node) is not None:
            node.set("hints", None)
            return node
        view = self._system_view(node)
        found = self._find(node) if view is None else None
        if view is None and found is None:
            raise invalid_object(_written_name(node))
        if found is not None:
            named = engine_table(found)
            if found.definition is None:
                apply.mark_stored(named)
        else:
            registered = f"system {node.db}.{node.name} {len(self._views)}".lower()
            self._views[registered] = view
            named = exp.Table(this=exp.to_identifier(registered, quoted=True))
        alias = node.args.get("alias")
        if alias is None:
            alias = exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
        named.set("alias", alias)
        named.set("joins", node.args.get("joins"))
        return named

    def _column(self, node: exp.Column) -> exp.Expression:
        node.set("db", None)
        node.set("catalog", None)
        return node

    def _parameter(self, node: exp.Parameter) -> exp.Expression:
        name = node.name.lower()
        sql_type = self.type_of(node)
        if name not in self._system:
            self._used.add(name)
        bound = exp.Parameter(this=exp.Var(this=name))
        return exp.Cast(this=bound, to=_engine_type(sql_type)) if sql_type else bound

    def _function(self, node: exp.Anonymous) -> exp.Expression:
        if isinstance(node.parent, exp.Table | exp.Lateral):
            return node  # a function in FROM, which the table's own rule rewrites
        known = functions.function(node.name, len(node.expressions))
        types = [self.type_of(argument) for argument in node.expressions]
        return known.build(node.expressions, types)

    def _cast(self, node: exp.Cast) -> exp.Expression:
        target = parse_type(node.to.sql("tsql"), _CAST_LENGTH)
        attempt = isinstance(node, exp.TryCast)
        return convert(node.this, self.type_of(node.this), target, attempt=attempt)

    def _convert(self, node: exp.Convert) -> exp.Expression:
        target = parse_type(node.this.sql("tsql"), _CAST_LENGTH)
        style = node.args.get("style")
        if style is not None and not isinstance(style, exp.Literal):
            raise not_played("CONVERT with a style that is no literal")
        return convert(
            node.expression,
            self.type_of(node.expression),
            target,
            style=int(style.name) if style is not None else None,
            attempt=bool(node.args.get("safe")),
        )

    def _national(self, node: exp.National) -> exp.Expression:
        return exp.Literal.string(node.name)

    def _add(self, node: exp.Add) -> exp.Expression:
        left, right = self.type_of(node.this), self.type_of(node.expression)
        result = self.type_of(node)
        if result is not None and result.name in CHARACTER:
            return exp.DPipe(this=node.this, expression=node.expression)
        if left is not None and left.name in {"datetime", "smalldatetime"} and is_integer(right):
            return template(":day + to_days(:count)", day=node.this, count=node.expression)
        return self._arithmetic(node)

    def _subtract(self, node: exp.Sub) -> exp.Expression:
        left, right = self.type_of(node.this), self.type_of(node.expression)
        if left is not None and left.name in {"datetime", "smalldatetime"} and is_integer(right):
            return template(":day - to_days(:count)", day=node.this, count=node.expression)
        if any(side is not None and side.name in DATE_AND_TIME for side in (left, right)):
            raise not_played("the difference of two dates; DATEDIFF is played")
        return self._arithmetic(node)

    def _arithmetic(self, node: exp.Binary) -> exp.Expression:
        """Text beside a number becomes one; the lower type becomes the higher."""
        left, right = self.type_of(node.this), self.type_of(node.expression)
        result = self.type_of(node)
        if result is None or result.name in CHARACTER | BINARY:
            return node
        for part, sql_type in (("this", left), ("expression", right)):
            if sql_type is not None and sql_type.name in CHARACTER | {"bit"}:
                node.set(part, convert(node.args[part], sql_type, result))
        return node

    def _divide(self, node: exp.Div) -> exp.Expression:
        left, right = self.type_of(node.this), self.type_of(node.expression)
        node = self._arithmetic(node)
        divisor = template(
            "CASE WHEN :d = 0 THEN error('Divide by zero') ELSE :d END", d=node.expression
        )
        if is_integer(left) and is_integer(right):
            return template(":left // :right", left=node.this, right=divisor)
        quotient = template(":left / :right", left=node.this, right=divisor)
        result = self.type_of(node)
        if result is not None and result.name not in {"real", "float"}:
            return template(f"CAST(:value AS {result.duckdb})", value=quotient)
        return quotient

    def _modulo(self, node: exp.Mod) -> exp.Expression:
        divisor = template(
            "CASE WHEN :d = 0 THEN error('Divide by zero') ELSE :d END", d=node.expression
        )
        return template(":left % :right", left=node.this, right=divisor)

    def _compare(self, node: exp.Binary) -> exp.Expression:
        self._harmonise(node, ("this", "expression"))
        return node

    def _between(self, node: exp.Between) -> exp.Expression:
        self._harmonise(node, ("this", "low", "high"))
        return node

    def _in(self, node: exp.In) -> exp.Expression:
        kinds = [self.type_of(node.this), *map(self.type_of, node.expressions)]
        shared = common_type(kinds)
        if shared is None:
            return node
        node.set("this", self._to_shared(node.this, shared))
        node.set("expressions", [self._to_shared(item, shared) for item in node.expressions])
        return node

    def _harmonise(self, node: exp.Expression, parts: Sequence[str]) -> None:
        """Compare values of different types as the one of higher precedence."""
        shared = common_type(self.type_of(node.args[part]) for part in parts)
        if shared is not None:
            for part in parts:
                node.set(part, self._to_shared(node.args[part], shared))

    def _to_shared(self, value: exp.Expression, shared: SqlType) -> exp.Expression:
        found = self.type_of(value)
        if found is None or shared.name in CHARACTER:
            return value
        is_bytes = found.name in BINARY and is_integer(shared)
        if found.name in CHARACTER or is_bytes or (found.name == "bit" and shared.name != "bit"):
            return convert(value, found, shared)
        return value

    def _like(self, node: exp.Like) -> exp.Expression:
        if isinstance(node.parent, exp.Escape):
            return node
        return self._like_with_escape(node, None)

    def _escape(self, node: exp.Escape) -> exp.Expression:
        return self._like_with_escape(node.this, node.expression)

    def _like_with_escape(self, node: exp.Like, escape: exp.Expression | None) -> exp.Expression:
        parts = (node.this, node.expression)
        text, pattern = (part.this if isinstance(part, exp.Collate) else part for part in parts)
        return patterns.like(text, pattern, escape, heeds_case=(text, pattern) != parts)

    def _sum(self, node: exp.Sum) -> exp.Expression:
        result = self.type_of(node)
        if result is None:
            return node
        return self._typed_aggregate(node, result)

    def _average(self, node: exp.Avg) -> exp.Expression:
        """The average of whole numbers is a whole number, cut."""
        result = self.type_of(node)
        if result is None or result.name == "float":
            return node
        return self._typed_aggregate(node, result, cut=is_integer(result))

    def _typed_aggregate(
        self, node: exp.Expression, result: SqlType, *, cut: bool = False
    ) -> exp.Expression:
        """Cast an aggregate; if it has a window, the cast goes around the window."""
        if isinstance(node.parent, exp.Window):
            return node
        inner = "trunc(:value)" if cut else ":value"
        return template(f"CAST({inner} AS {result.duckdb})", value=node.copy())

    def _window(self, node: exp.Window) -> exp.Expression:
        result = self.type_of(node)
        if not isinstance(node.this, exp.Sum | exp.Avg) or result is None:
            return node
        inner = (
            "trunc(:value)" if isinstance(node.this, exp.Avg) and is_integer(result) else ":value"
        )
        return template(f"CAST({inner} AS {result.duckdb})", value=node.copy())

    def _fetch(self, node: exp.Fetch) -> exp.Expression:
        return exp.Limit(expression=node.args["count"])

    def _collate(self, node: exp.Collate) -> exp.Expression:
        name = node.expression.name.lower()
        if "_ci_" in name or name == "database_default":
            return node.this
        return exp.Collate(this=node.this, expression=exp.Var(this="binary"))

    def _lateral(self, node: exp.Lateral) -> exp.Expression:
        return apply.lateral(node)

    def _select(self, node: exp.Select) -> exp.Expression:
        return apply.keep_order(top.rewrite(node))

    _RULES: ClassVar[dict[type[exp.Expression], Callable[..., exp.Expression]]] = {
        exp.Table: _table,
        exp.Column: _column,
        exp.Parameter: _parameter,
        exp.Anonymous: _function,
        exp.Cast: _cast,
        exp.TryCast: _cast,
        exp.Convert: _convert,
        exp.National: _national,
        exp.Add: _add,
        exp.Sub: _subtract,
        exp.Mul: _arithmetic,
        exp.Div: _divide,
        exp.Mod: _modulo,
        exp.Between: _between,
        exp.In: _in,
        exp.Like: _like,
        exp.Escape: _escape,
        exp.Sum: _sum,
        exp.Avg: _average,
        exp.Window: _window,
        exp.Fetch: _fetch,
        exp.Collate: _collate,
        exp.Lateral: _lateral,
        exp.Select: _select,
        **dict.fromkeys(_COMPARISONS, _compare),
    }


def engine_table(table: Table) -> exp.Table:
    """Return the name that the engine knows a table by."""
    if table.is_temporary:
        return exp.table_(table.name, quoted=True)
    return exp.table_(table.name, db=table.schema, catalog=table.database, quoted=True)


def table_name(node: exp.Table) -> str:
    """Return a table's name, # included if it is temporary."""
    identifier = node.this
    temporary = isinstance(identifier, exp.Identifier) and identifier.args.get("temporary")
    return f"#{node.name}" if temporary else str(node.name)


def duckdb_text(tree: exp.Expression) -> str:
    """Return DuckDB's text with every name quoted, as T-SQL's names may be its keywords."""
    text: str = tree.sql("duckdb", identify=True)
    return text


def _database_of(node: exp.Table) -> str:
    return "" if node.catalog.lower() == "tempdb" else node.catalog


def _written_name(node: exp.Expression) -> str:
    if not isinstance(node, exp.Table):
        return str(node.name)
    return ".".join(part for part in (node.catalog, node.db, table_name(node)) if part)


def _engine_type(sql_type: SqlType) -> exp.DataType:
    return exp.DataType.build(sql_type.duckdb, dialect="duckdb")


def _refuse_unplayed(tree: exp.Expression) -> None:
    for node in tree.walk():
        if node.args.get("for_"):
            raise not_played("FOR XML and FOR JSON")
        if node.args.get("pivots"):
            raise not_played("PIVOT")
        if isinstance(node, exp.WithTableHint):
            for hint in node.expressions:
                if hint.name.lower() not in _HARMLESS_HINTS | {"index"}:
                    raise not_played(f"the table hint {hint.name}")
        if isinstance(node, exp.AtTimeZone):
            raise not_played("AT TIME ZONE")
        if isinstance(node, exp.Window) and isinstance(node.this, exp.WithinGroup):
            raise not_played("WITHIN GROUP ... OVER")
