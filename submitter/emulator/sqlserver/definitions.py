"""CREATE, ALTER, DROP and TRUNCATE: the engine's text and what the catalogue learns."""

import dataclasses
from collections.abc import Sequence

from sqlglot import exp

from submitter.emulator.sqlserver.catalog import (
    DEFAULT_SCHEMA,
    ForeignKey,
    Key,
    Namespace,
    Table,
    TableKey,
)
from submitter.emulator.sqlserver.changes import assigned
from submitter.emulator.sqlserver.dialect import Translation, Translator, duckdb_text
from submitter.emulator.sqlserver.engine import quoted
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.inference import Sources
from submitter.emulator.sqlserver.sources import engine_table, table_name
from submitter.emulator.sqlserver.types import (
    BINARY,
    CHARACTER,
    MAX,
    ROW_VERSION,
    Column,
    parse_type,
)

_IDENTITY = (exp.GeneratedAsIdentityColumnConstraint, exp.AutoIncrementColumnConstraint)


@dataclasses.dataclass(frozen=True)
class Definition:
    """A change of what exists.

    Attributes:
        statements: What the engine runs, in order.
        defines: Tables as they are afterwards.
        removes: Tables that are gone afterwards.
        resets: Tables whose identity starts afresh.
    """

    statements: Sequence[Translation]
    defines: Sequence[Table] = ()
    removes: Sequence[Table] = ()
    resets: Sequence[Table] = ()


def new_table(node: exp.Table, namespace: Namespace, columns: Sequence[Column]) -> Table:
    """Return a table of a name that is still free.

    Raises:
        SqlError: 2714 if the name is taken, 2760 if its schema does not exist.
    """
    name = table_name(node)
    database = "" if node.catalog.lower() == "tempdb" else node.catalog
    database = namespace.catalog.database(database or namespace.database)
    schema = node.db or DEFAULT_SCHEMA
    if namespace.find(name, schema, database) is not None:
        raise SqlError(2714, f"There is already an object named '{name}' in the database.")
    if not namespace.catalog.has_schema(database, schema):
        raise SqlError(
            2760,
            f'The specified schema name "{schema}" either does not exist or you do not have '
            "permission to use it.",
        )
    return Table(database, schema, name, tuple(columns))


def create_table(tree: exp.Create, translator: Translator) -> Definition:
    """Translate CREATE TABLE."""
    builder = _TableBuilder(tree, translator)
    table = builder.build()
    temporary = "TEMP " if table.is_temporary else ""
    name = duckdb_text(engine_table(table))
    body = ", ".join([*builder.column_texts, *builder.constraint_texts])
    sql = f"CREATE {temporary}TABLE {name} ({body})"
    if table.foreign_keys:  # DuckDB before 2.0 looks for the other table in the current database
        there = f"{quoted(table.database)}.{quoted(table.schema)}"
        sql = f"USE {there}; {sql}; USE memory"
    statement = translator.finish(sql)
    return Definition([statement], defines=[table])


def create_view(tree: exp.Create, text: str, translator: Translator) -> Definition:
    """Translate CREATE VIEW."""
    if tree.args.get("replace"):
        raise not_played("CREATE OR ALTER VIEW")
    node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    translation = translator.query(tree.expression)
    if translation.views:
        raise not_played("a view over the catalogue")
    if translation.columns is None or any(not c.type.name for c in translation.columns):
        raise not_played("a view with a column whose type cannot be told")
    columns = list(translation.columns)
    if isinstance(tree.this, exp.Schema):
        names = [item.name for item in tree.this.expressions]
        columns = [dataclasses.replace(c, name=n) for c, n in zip(columns, names, strict=True)]
    table = new_table(node, translator.namespace, columns)
    table = dataclasses.replace(table, definition=text)
    listed = ", ".join(quoted(column.name) for column in columns)
    statement = dataclasses.replace(
        translation,
        sql=f"CREATE VIEW {duckdb_text(engine_table(table))} ({listed}) AS {translation.sql}",
    )
    return Definition([statement], defines=[table])


def create_index(tree: exp.Create, translator: Translator) -> Definition:
    """Note an index; the engine builds only those that forbid duplicates."""
    index = tree.this
    table = translator.target(index.args["table"])
    ordered = index.args["params"].args.get("columns") or ()
    columns = tuple(
        item.this.name if isinstance(item, exp.Ordered) else item.name for item in ordered
    )
    key = Key(index.name, columns, unique=bool(tree.args.get("unique")), constraint=False)
    statements = []
    if key.unique:
        listed = ", ".join(quoted(name) for name in columns)
        engine_name = quoted(f"{table.name} {key.name}")
        target = duckdb_text(engine_table(table))
        statements.append(
            translator.finish(f"CREATE UNIQUE INDEX {engine_name} ON {target} ({listed})")
        )
    return Definition(statements, defines=[dataclasses.replace(table, keys=(*table.keys, key))])


def drop_table(tree: exp.Drop, translator: Translator) -> Definition:
    """Translate DROP TABLE and DROP VIEW."""
    nodes = tree.args.get("tables") or [tree.this]
    statements, removes = [], []
    for node in nodes:
        name = table_name(node)
        database = "" if node.catalog.lower() == "tempdb" else node.catalog
        table = translator.namespace.find(name, node.db, database)
        is_view = tree.kind == "VIEW"
        if table is None or (table.definition is not None) != is_view:
            if tree.args.get("exists"):
                continue
            raise SqlError(
                3701,
                f"Cannot drop the {tree.kind.lower()} '{name}', because it does not exist or "
                "you do not have permission.",
                severity=11,
            )
        statements.append(translator.finish(f"DROP {tree.kind} {duckdb_text(engine_table(table))}"))
        removes.append(table)
    return Definition(statements, removes=removes)


def truncate(tree: exp.TruncateTable, translator: Translator) -> Definition:
    """Translate TRUNCATE TABLE."""
    tables = [translator.target(node) for node in tree.expressions]
    statements = [
        translator.finish(f"TRUNCATE {duckdb_text(engine_table(table))}") for table in tables
    ]
    return Definition(statements, resets=tables)


def alter_table(tree: exp.Alter, translator: Translator) -> Definition:
    """Translate ALTER TABLE ... ADD and DROP COLUMN."""
    table = translator.target(tree.this)
    target = duckdb_text(engine_table(table))
    statements = []
    for action in tree.args["actions"]:
        if isinstance(action, exp.ColumnDef):
            column = _plain_column(action)
            if column.type == ROW_VERSION:
                raise not_played("ALTER TABLE ... ADD of a rowversion column")
            statements.append(f"ADD COLUMN {quoted(column.name)} {column.type.duckdb}")
            table = dataclasses.replace(table, columns=(*table.columns, column))
        elif isinstance(action, exp.Drop) and action.kind == "COLUMN":
            names = [item.name.lower() for item in action.args.get("tables") or [action.this]]
            statements.extend(f"DROP COLUMN {quoted(name)}" for name in names)
            left = tuple(c for c in table.columns if c.name.lower() not in names)
            table = dataclasses.replace(table, columns=left)
        else:
            raise not_played("this form of ALTER TABLE")
    return Definition(
        [translator.finish(f"ALTER TABLE {target} {text}") for text in statements],
        defines=[table],
    )


def _plain_column(definition: exp.ColumnDef) -> Column:
    for constraint in definition.constraints:
        if not isinstance(constraint.kind, exp.NotNullColumnConstraint):
            raise not_played("ALTER TABLE ... ADD with more than a type")
        if not constraint.kind.args.get("allow_null"):
            raise not_played("ALTER TABLE ... ADD of a column that is NOT NULL")
    return Column(definition.name, parse_type(definition.args["kind"].sql("tsql")))


class _TableBuilder:
    """Reads the parts of one CREATE TABLE."""

    def __init__(self, tree: exp.Create, translator: Translator) -> None:
        self._schema = tree.this
        self._translator = translator
        self._columns: list[Column] = []
        self._keys: list[Key] = []
        self._foreign_keys: list[ForeignKey] = []
        self._defaults: dict[str, str] = {}
        self._name = ""
        self.column_texts: list[str] = []
        self.constraint_texts: list[str] = []

    def build(self) -> Table:
        node = self._schema.this
        self._name = table_name(node)
        table = new_table(node, self._translator.namespace, ())
        self._database, self._schema_name = table.database, table.schema
        for part in self._schema.expressions:
            if isinstance(part, exp.ColumnDef):
                self._column(part)
            elif isinstance(part, exp.Constraint):
                for inner in part.expressions:
                    self._constraint(inner, part.name)
            else:
                self._constraint(part, "")
        return dataclasses.replace(
            table,
            columns=tuple(self._finished_columns()),
            keys=tuple(self._keys),
            foreign_keys=tuple(self._foreign_keys),
            defaults=self._defaults,
        )

    def _finished_columns(self) -> Sequence[Column]:
        """A column of the primary key is never null."""
        primary = {name.lower() for key in self._keys if key.primary for name in key.columns}
        return [
            dataclasses.replace(column, nullable=False)
            if column.name.lower() in primary or column.identity or column.type == ROW_VERSION
            else column
            for column in self._columns
        ]

    def _column(self, definition: exp.ColumnDef) -> None:  # noqa: C901, PLR0912 - one branch a kind
        if definition.args.get("kind") is None:
            raise not_played("computed columns")
        column = Column(definition.name, parse_type(definition.args["kind"].sql("tsql")))
        text = f"{quoted(column.name)} {column.type.duckdb}"
        for constraint in definition.constraints:
            kind = constraint.kind
            if isinstance(kind, exp.NotNullColumnConstraint):
                if not kind.args.get("allow_null"):
                    column = dataclasses.replace(column, nullable=False)
                    text += " NOT NULL"
            elif isinstance(kind, _IDENTITY):
                column = self._identity(column, kind)
            elif isinstance(kind, exp.DefaultColumnConstraint):
                text += f" DEFAULT {self._default(column, kind.this)}"
            elif isinstance(kind, exp.PrimaryKeyColumnConstraint):
                self._key((column.name,), constraint.name, primary=True)
            elif isinstance(kind, exp.UniqueColumnConstraint):
                self._key((column.name,), constraint.name, primary=False)
            elif isinstance(kind, exp.CheckColumnConstraint):
                self._check(kind.this)
            elif isinstance(kind, exp.Reference):
                self._reference((column.name,), kind, constraint.name)
            elif isinstance(kind, exp.CollateColumnConstraint):
                if "_ci_" not in kind.this.name.lower():
                    raise not_played(f"the collation {kind.this.name} of a column")
            else:
                raise not_played(f"the column constraint {kind.sql('tsql')}")
        self._columns.append(column)
        self.column_texts.append(text)
        self._limit_length(column)

    def _identity(self, column: Column, kind: exp.GeneratedAsIdentityColumnConstraint) -> Column:
        for part in ("start", "increment"):
            value = kind.args.get(part)
            if value is not None and value.name != "1":
                raise not_played("IDENTITY other than (1, 1)")
        return dataclasses.replace(column, identity=True)

    def _default(self, column: Column, value: exp.Expression) -> str:
        self._defaults[column.name.lower()] = f"({value.sql('tsql')})"
        if isinstance(value.unnest(), exp.CurrentTimestamp) or value.unnest().name.lower() in {
            "getdate", "getutcdate", "sysdatetime", "sysutcdatetime",
        }:  # fmt: skip
            return "(now() AT TIME ZONE 'UTC')"
        select = self._translator.rewrite(
            self._translator.prepare(exp.Select(expressions=[value.copy()]))
        )
        inner = select.expressions[0]
        return f"({duckdb_text(assigned(inner, self._translator.type_of(inner), column))})"

    def _limit_length(self, column: Column) -> None:
        """The engine's strings have no length; a check refuses what SQL Server would."""
        if column.type.length == MAX or column.type.name not in CHARACTER | BINARY:
            return
        name = quoted(column.name)
        if column.type.name in {"char", "nchar"}:
            measured = f"length(rtrim({name}))"
        else:
            measured = (
                f"length({name})" if column.type.name in CHARACTER else (f"octet_length({name})")
            )
        self.constraint_texts.append(f"CHECK ({measured} <= {column.type.length})")

    def _constraint(self, part: exp.Expression, name: str) -> None:
        if isinstance(part, exp.PrimaryKey):
            self._key(_names(part.expressions), name, primary=True)
        elif isinstance(part, exp.UniqueColumnConstraint):
            columns = part.this.expressions if isinstance(part.this, exp.Schema) else ()
            self._key(_names(columns), name, primary=False)
        elif isinstance(part, exp.CheckColumnConstraint):
            self._check(part.this)
        elif isinstance(part, exp.ForeignKey):
            self._reference(_names(part.expressions), part.args["reference"], name)
        else:
            raise not_played(f"the table constraint {part.sql('tsql')[:60]}")

    def _key(self, columns: tuple[str, ...], name: str, *, primary: bool) -> None:
        prefix = "PK" if primary else "UQ"
        default = f"{prefix}__{self._name.strip('#')}__{'_'.join(columns)}"
        self._keys.append(Key(name or default, columns, primary=primary))
        listed = ", ".join(quoted(column) for column in columns)
        self.constraint_texts.append(f"{'PRIMARY KEY' if primary else 'UNIQUE'} ({listed})")

    def _check(self, condition: exp.Expression) -> None:
        sources: Sources = {self._name.lower(): list(self._columns)}
        select = exp.Select(expressions=[condition.copy()])
        self._translator.inference.offer(select, sources)
        rewritten = self._translator.rewrite(self._translator.prepare(select))
        self.constraint_texts.append(f"CHECK ({duckdb_text(rewritten.expressions[0])})")

    def _reference(self, columns: tuple[str, ...], node: exp.Reference, name: str) -> None:
        schema = node.this
        referred_node = schema.this if isinstance(schema, exp.Schema) else schema
        referred = self._translator.target(referred_node)
        others = _names(schema.expressions) if isinstance(schema, exp.Schema) else ()
        if not others:
            others = next((key.columns for key in referred.keys if key.primary), ())
        default = f"FK__{self._name}__{'_'.join(columns)}"
        key: TableKey = referred.key
        self._foreign_keys.append(ForeignKey(name or default, columns, key, others))
        if referred.database != self._database:
            raise SqlError(1763, "Cross-database foreign key references are not supported.")
        own = ", ".join(quoted(column) for column in columns)
        other = ", ".join(quoted(column) for column in others)
        target = f"{quoted(referred.schema)}.{quoted(referred.name)}"
        self.constraint_texts.append(f"FOREIGN KEY ({own}) REFERENCES {target} ({other})")


def _names(nodes: Sequence[exp.Expression]) -> tuple[str, ...]:
    return tuple(node.this.name if isinstance(node, exp.Ordered) else node.name for node in nodes)
