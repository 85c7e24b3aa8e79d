"""What stands in FROM: stored tables, views of the catalogue, functions; found and rewritten."""

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import apply, system_views, table_functions
from submitter.emulator.sqlserver.catalog import Namespace, Table
from submitter.emulator.sqlserver.errors import invalid_object
from submitter.emulator.sqlserver.inference import common_table_expression
from submitter.emulator.sqlserver.types import Column


def rewrite(node: exp.Table, namespace: Namespace, offered: dict[str, pa.Table]) -> exp.Expression:
    """Return a source in DuckDB's terms.

    Args:
        node: The source; a function's arguments are rewritten already.
        namespace: What its name means.
        offered: Takes the view of the catalogue, if it is one, by the engine's name for it.

    Raises:
        SqlError: 208 if there is nothing of this name, 40000 for what is not played.
    """
    rows = system_views.function(node.this, namespace)
    if rows is None and isinstance(node.this, exp.Func):
        return _function(node)
    if common_table_expression(node) is not None:
        node.set("hints", None)
        return node
    if rows is None:
        rows = _system_view(node, namespace)
    if rows is not None:
        registered = f"system {node.db}.{node.name} {len(offered)}".lower()
        offered[registered] = rows
        named = exp.Table(this=exp.to_identifier(registered, quoted=True))
    else:
        found = find(node, namespace)
        if found is None:
            raise invalid_object(written_name(node))
        named = engine_table(found)
        if found.definition is None:
            apply.mark_stored(named)
    alias = node.args.get("alias")
    if alias is None:
        called = node.name or node.this.name
        alias = exp.TableAlias(this=exp.to_identifier(called, quoted=True))
    named.set("alias", alias)
    named.set("joins", node.args.get("joins"))
    return named


def columns(node: exp.Table, namespace: Namespace) -> Sequence[Column] | None:
    """Return the columns of a source, None if there is none of this name."""
    rows = system_views.function(node.this, namespace)
    if rows is not None:
        return system_views.columns_of(rows)
    if isinstance(node.this, exp.Func):
        return table_functions.columns(node.this)
    view = _system_view(node, namespace)
    if view is not None:
        return system_views.columns_of(view)
    found = find(node, namespace)
    return found.columns if found is not None else None


def find(node: exp.Table, namespace: Namespace) -> Table | None:
    """Return the table or the view that a statement names."""
    return namespace.find(table_name(node), node.db, _database_of(node))


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


def written_name(node: exp.Expression) -> str:
    """Return a table's name as the statement has it, for a message."""
    if not isinstance(node, exp.Table):
        return str(node.name)
    return ".".join(part for part in (node.catalog, node.db, table_name(node)) if part)


def _function(node: exp.Table) -> exp.Subquery:
    alias = node.args.get("alias") or exp.to_identifier(node.this.name)
    rows = exp.Subquery(this=table_functions.query(node.this), alias=alias)
    rows.set("joins", node.args.get("joins"))
    return rows


def _system_view(node: exp.Table, namespace: Namespace) -> pa.Table | None:
    if not system_views.is_system(node.db):
        return None
    database = _database_of(node) or namespace.database
    return system_views.view(node.db, node.name, namespace, database)


def _database_of(node: exp.Table) -> str:
    return "" if node.catalog.lower() == "tempdb" else node.catalog
