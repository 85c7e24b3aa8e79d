"""T-SQL expressions and queries to DuckDB: the same answer, or a refusal.

Types come first (`inference`), then every node is rewritten from the leaves up by the rule
of its class: those of values in `operators`, `aggregates` and `functions`, those of FROM in
`sources` and `apply`. Known differences that remain: text is compared without regard to case
but trailing blanks count; a datetimeoffset keeps its instant and not its zone; the seventh digit
of a second is lost; a decimal quotient is exact to fifteen digits.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import (
    aggregates,
    apply,
    functions,
    object_lookups,
    operators,
    sources,
    system_values,
    top,
)
from submitter.emulator.sqlserver.catalog import Namespace, Table
from submitter.emulator.sqlserver.conversions import convert
from submitter.emulator.sqlserver.errors import SqlError, invalid_object, not_played
from submitter.emulator.sqlserver.inference import Inference
from submitter.emulator.sqlserver.refusals import refuse_unplayed
from submitter.emulator.sqlserver.types import Column, SqlType, parse_type

_CAST_LENGTH = 30
_VALUE_RULES = {**operators.RULES, **aggregates.RULES}


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
        reads: The stored tables and views that are read.
        changes: The table that is changed, if one is.
    """

    sql: str
    variables: frozenset[str]
    system: Mapping[str, system_values.SystemValue]
    views: Mapping[str, pa.Table]
    columns: Sequence[Column] | None
    reads_tables: bool = True
    reads: Sequence[Table] = ()
    changes: Table | None = None


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
        self._reads: list[Table] = []
        self._changes: Table | None = None
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
        refuse_unplayed(tree)
        object_lookups.expand(tree)
        bound: set[int] = set()
        for node in list(tree.walk()):  # parents first
            if id(node.parent) in bound:  # an argument of one, found with it
                bound.add(id(node))
                continue
            value = self._system_value(node)
            if value is not None:
                bound.add(id(node))
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
            replacement = self._replacement(node)
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
            sql,
            frozenset(self._used),
            dict(self._system),
            dict(self._views),
            columns,
            reads=tuple(self._reads),
            changes=self._changes,
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
        found = sources.find(table, self.namespace)
        if found is None:
            raise invalid_object(sources.written_name(table))
        self._changes = found
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

    def _replacement(self, node: exp.Expression) -> exp.Expression:
        """Return a node in DuckDB's terms; its parts are already."""
        value_rule = _VALUE_RULES.get(type(node))
        if value_rule is not None:
            return value_rule(node, self.type_of)
        rule = self._RULES.get(type(node))
        return node if rule is None else rule(self, node)

    def _columns_of_table(self, node: exp.Table) -> Sequence[Column] | None:
        return sources.columns(node, self.namespace)

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
        if isinstance(node, exp.CurrentUser | exp.SessionUser):
            return system_values.function("user_name", ())
        return None

    # The rules, one a class of node.

    def _table(self, node: exp.Table) -> exp.Expression:
        found = sources.find(node, self.namespace)
        if found is not None and not found.is_temporary:
            self._reads.append(found)
        return sources.rewrite(node, self.namespace, self._views)

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

    def _fetch(self, node: exp.Fetch) -> exp.Expression:
        return exp.Limit(expression=node.args["count"])

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
        exp.Fetch: _fetch,
        exp.Lateral: _lateral,
        exp.Select: _select,
    }


def duckdb_text(tree: exp.Expression) -> str:
    """Return DuckDB's text with every name quoted, as T-SQL's names may be its keywords."""
    text: str = tree.sql("duckdb", identify=True)
    return text


def _engine_type(sql_type: SqlType) -> exp.DataType:
    return exp.DataType.build(sql_type.duckdb, dialect="duckdb")
