"""INSERT, UPDATE, DELETE and MERGE for the engine.

An identity column is numbered here, by the count of the catalogue; UPDATE and DELETE with
joins go by row ids, which DuckDB's own forms of them do not need.
"""

import dataclasses
from collections.abc import Sequence

from sqlglot import exp

from submitter.emulator.sqlserver.catalog import Table
from submitter.emulator.sqlserver.conversions import convert
from submitter.emulator.sqlserver.dialect import Translation, Translator, duckdb_text
from submitter.emulator.sqlserver.engine import quoted
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.sources import engine_table
from submitter.emulator.sqlserver.tokens import Command
from submitter.emulator.sqlserver.types import CHARACTER, MAX, Column, SqlType

FIRST_IDENTITY = "first_identity"
FIRST_ROW_VERSION = "first_row_version"
BOUND_ROWS = "bound rows"


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of data for the engine.

    Attributes:
        translation: The text; its columns are those of OUTPUT, None without one.
        command: What the row count is about.
        numbered: The table whose identity the rows take, else None; the text then has the
            variable FIRST_IDENTITY.
        versioned: The table whose rowversion the rows take, else None; the text then has the
            variable FIRST_ROW_VERSION.
        rows_sql: For an INSERT of one row of values, the text that inserts a row for each row
            of BOUND_ROWS, whose columns are the variables; None where there is no such text.
    """

    translation: Translation
    command: Command
    numbered: Table | None = None
    versioned: Table | None = None
    rows_sql: str | None = None


def insert(tree: exp.Insert, translator: Translator) -> Change:
    """Translate INSERT ... VALUES, SELECT or DEFAULT VALUES."""
    tree = translator.prepare(tree)
    table = translator.target(tree.this)
    columns = listed_columns(tree, table)
    output = _output_columns(tree, translator)
    returning = _returning(tree, translator)
    source = tree.expression
    numbered = table if table.identity not in {None, *columns} else None
    rows_sql = None
    if source is None:
        columns = []
        sql = _insert_text(table, columns, "SELECT 1" if numbered or table.row_version else "")
    else:
        rewritten = _assigned_source(source, columns, translator)
        sql = _insert_text(table, columns, duckdb_text(rewritten))
        rows = _rows_in_place_of_variables(rewritten, translator)
        if rows is not None and output is None:
            rows_sql = _insert_text(table, columns, duckdb_text(rows))
    return Change(
        translator.finish(sql + returning, output),
        Command.INSERT,
        numbered=numbered,
        versioned=table if table.row_version else None,
        rows_sql=rows_sql,
    )


def update(tree: exp.Update, translator: Translator) -> Change:
    """Translate UPDATE, with or without FROM."""
    tree = translator.prepare(tree)
    _refuse_top(tree)
    node, table = _target_in_from(tree, translator)
    output = _output_columns(tree, translator)
    returning = _returning(tree, translator)
    assignments = [(assignment.this.name, assignment.expression) for assignment in tree.expressions]
    values = [exp.alias_(value.copy(), f"v{index}") for index, (_, value) in enumerate(assignments)]
    select = _row_select(tree, node, values)
    rewritten = translator.rewrite(select)
    for (name, _), projection in zip(assignments, rewritten.expressions[1:], strict=True):
        column = _column(table, name)
        if column.identity:
            raise SqlError(8102, f"Cannot update identity column '{name}'.")
        if column == table.row_version:
            raise SqlError(272, "Cannot update a timestamp column.")
        _assign_projection(projection, column, translator)
    target = duckdb_text(engine_table(table))
    sets = [f"{quoted(name)} = s.v{index}" for index, (name, _) in enumerate(assignments)]
    if tree.args.get("from_") is not None:  # a join may name a row twice; it changes once
        rewritten.set("distinct", exp.Distinct(on=exp.Tuple(expressions=[exp.column("r")])))
    rows = duckdb_text(rewritten)
    if table.row_version is not None:
        sets.append(f"{quoted(table.row_version.name)} = {_row_version('s.n')}")
        rows = f"SELECT *, row_number() OVER (ORDER BY r) AS n FROM ({rows})"  # noqa: S608 - quoted
    sql = (
        f"UPDATE {target} AS t SET {', '.join(sets)} FROM ({rows}) AS s "  # noqa: S608 - quoted
        f"WHERE t.rowid = s.r{returning}"
    )
    versioned = table if table.row_version else None
    return Change(translator.finish(sql, output), Command.UPDATE, versioned=versioned)


def delete(tree: exp.Delete, translator: Translator) -> Change:
    """Translate DELETE, with or without a second FROM."""
    tree = translator.prepare(tree)
    _refuse_top(tree)
    node, table = _target_in_from(tree, translator)
    output = _output_columns(tree, translator)
    returning = _returning(tree, translator)
    rewritten = translator.rewrite(_row_select(tree, node, []))
    target = duckdb_text(engine_table(table))
    rows = duckdb_text(rewritten)
    sql = f"DELETE FROM {target} WHERE rowid IN ({rows}){returning}"  # noqa: S608 - quoted
    return Change(translator.finish(sql, output), Command.DELETE)


def merge(tree: exp.Merge, translator: Translator) -> Change:
    """Translate MERGE without OUTPUT."""
    tree = translator.prepare(tree)
    if tree.args.get("returning"):
        raise not_played("MERGE with OUTPUT")
    table = translator.target(tree.this)
    if table.identity is not None or table.row_version is not None:
        raise not_played("MERGE into a table with an identity or rowversion column")
    rewritten = translator.rewrite(tree)
    return Change(translator.finish(rewritten, None), Command.MERGE)


def assigned(value: exp.Expression, source: SqlType | None, column: Column) -> exp.Expression:
    """Return a value as a column takes it; text that is too long is left to the check."""
    target = column.type
    if source is None or source == target:
        return value
    if target.name in CHARACTER:
        if source.name in CHARACTER:
            return value
        return convert(value, source, SqlType(target.name, length=MAX))
    return convert(value, source, target)


def listed_columns(tree: exp.Insert, table: Table) -> list[Column]:
    """Return the columns that an INSERT fills, in its order."""
    if isinstance(tree.this, exp.Schema):
        columns = [_column(table, name.name) for name in tree.this.expressions]
        if table.row_version in columns:
            raise SqlError(
                273,
                "Cannot insert an explicit value into a timestamp column. Use INSERT with a "
                "column list to exclude the timestamp column.",
            )
        return columns
    numbered = (table.identity, table.row_version)
    return [column for column in table.columns if column not in numbered]


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise SqlError(207, f"Invalid column name '{name}'.")
    return column


def _assigned_source(
    source: exp.Expression, columns: Sequence[Column], translator: Translator
) -> exp.Expression:
    """Rewrite what is inserted, each value converted as its column asks."""
    rewritten = translator.rewrite(source)
    if isinstance(rewritten, exp.Values):
        for row in rewritten.expressions:
            if len(row.expressions) != len(columns):
                raise _wrong_count()
            for cell, column in zip(list(row.expressions), columns, strict=True):
                cell.replace(assigned(cell.copy(), translator.type_of(cell), column))
    elif isinstance(rewritten, exp.Select) and not rewritten.is_star:
        if len(rewritten.expressions) != len(columns):
            raise _wrong_count()
        for projection, column in zip(list(rewritten.expressions), columns, strict=True):
            _assign_projection(projection, column, translator)
    return rewritten


def _insert_text(table: Table, columns: Sequence[Column], source: str) -> str:
    """Return DuckDB's INSERT; without a source all columns take their defaults."""
    names = [quoted(column.name) for column in columns]
    chosen = [f"q.c{index}" for index in range(len(names))]
    aliases = ", ".join(chosen or ["q.c0"]).replace("q.", "")
    if table.identity is not None and table.identity not in columns:
        names.append(quoted(table.identity.name))
        chosen.append(f"${FIRST_IDENTITY} + row_number() OVER () - 1")
    if table.row_version is not None:
        names.append(quoted(table.row_version.name))
        chosen.append(_row_version("row_number() OVER ()"))
    if len(chosen) > len(columns):
        source = f"SELECT {', '.join(chosen)} FROM ({source}) AS q({aliases})"  # noqa: S608 - quoted
    listed = f" ({', '.join(names)})" if names else ""
    return f"INSERT INTO {duckdb_text(engine_table(table))}{listed} {source or 'DEFAULT VALUES'}"


def _row_version(position: str) -> str:
    """Return the rowversion of the row at a position, counted from 1."""
    return f"unhex(printf('%016x', CAST(${FIRST_ROW_VERSION} + {position} - 1 AS BIGINT)))"


def _rows_in_place_of_variables(
    values: exp.Expression, translator: Translator
) -> exp.Select | None:
    """Return a query of BOUND_ROWS that computes what one row of VALUES does."""
    if not isinstance(values, exp.Values) or len(values.expressions) != 1:
        return None
    if values.find(exp.Select):  # it may read what the row before has inserted
        return None

    def column_of_variable(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Parameter) and translator.is_used(node.name):
            return exp.column(node.name, quoted=True)
        return node

    cells = [
        cell.copy().transform(column_of_variable) for cell in values.expressions[0].expressions
    ]
    return exp.select(*cells).from_(exp.table_(BOUND_ROWS, quoted=True))


def _wrong_count() -> SqlError:
    return SqlError(
        213, "Column name or number of supplied values does not match table definition."
    )


def _assign_projection(projection: exp.Expression, column: Column, translator: Translator) -> None:
    value = projection.this if isinstance(projection, exp.Alias) else projection
    value.replace(assigned(value.copy(), translator.type_of(value), column))


def _target_in_from(
    tree: exp.Update | exp.Delete, translator: Translator
) -> tuple[exp.Table, Table]:
    """Return the node of FROM that is changed, and its table."""
    named = tree.this
    tables = tree.args.get("tables")
    if tables:  # DELETE x FROM t x ...
        named = tables[0]
    candidates = _tables_of(tree)
    for candidate in candidates:
        same = candidate.alias_or_name.lower() == named.name.lower()
        if (same and candidate is not tree.this) or candidate is named:
            return candidate, translator.target(candidate)
    for candidate in candidates:
        if candidate.alias_or_name.lower() == named.name.lower():
            return candidate, translator.target(candidate)
    return named, translator.target(named)


def _tables_of(tree: exp.Update | exp.Delete) -> list[exp.Table]:
    from_ = tree.args.get("from_")
    first = from_.this if isinstance(from_, exp.From) else tree.this
    joined = [join.this for join in first.args.get("joins") or ()]
    joined += [join.this for join in tree.args.get("joins") or ()]
    return [item for item in (first, *joined) if isinstance(item, exp.Table)]


def _row_select(
    tree: exp.Update | exp.Delete, node: exp.Table, values: Sequence[exp.Expression]
) -> exp.Select:
    """Return a query of the rows to change: their ids, then the new values."""
    from_ = tree.args.get("from_")
    first = from_.this if isinstance(from_, exp.From) else tree.this
    row_id = exp.alias_(exp.column("rowid", table=node.alias_or_name), "r")
    select = exp.Select(expressions=[row_id, *values]).from_(first.copy())
    select.set("joins", [join.copy() for join in tree.args.get("joins") or ()])
    for part in ("where", "with_"):
        if tree.args.get(part) is not None:
            select.set(part, tree.args[part].copy())
    return select


def _output_columns(tree: exp.Expression, translator: Translator) -> list[Column] | None:
    returning = tree.args.get("returning")
    if returning is None:
        return None
    if returning.args.get("into"):
        raise not_played("OUTPUT ... INTO")
    columns: list[Column] = []
    for item in returning.expressions:
        inner = item.unalias()
        if not isinstance(inner, exp.Column):
            raise not_played("OUTPUT of anything but columns")
        if inner.table.lower() not in {"inserted", "deleted"}:
            raise not_played("OUTPUT of a column of neither inserted nor deleted")
        if isinstance(tree, exp.Update) and inner.table.lower() == "deleted":
            raise not_played("OUTPUT deleted of an UPDATE")
        target = tree.this
        if isinstance(tree, exp.Update | exp.Delete):
            target, _ = _target_in_from(tree, translator)
        table = translator.target(target)
        if isinstance(inner.this, exp.Star):
            columns.extend(table.columns)
        else:
            column = _column(table, inner.name)
            columns.append(dataclasses.replace(column, name=item.alias_or_name))
    return columns


def _returning(tree: exp.Expression, _: Translator) -> str:
    returning = tree.args.get("returning")
    if returning is None:
        return ""
    prefix = "t." if isinstance(tree, exp.Update) else ""
    parts = []
    for item in returning.expressions:
        inner = item.unalias()
        star = isinstance(inner.this, exp.Star)
        parts.append(f"{prefix}*" if star else f"{prefix}{quoted(inner.name)}")
    return f" RETURNING {', '.join(parts)}"


def _refuse_top(tree: exp.Expression) -> None:
    if tree.args.get("limit") is not None:
        raise not_played("TOP in an UPDATE or DELETE")
