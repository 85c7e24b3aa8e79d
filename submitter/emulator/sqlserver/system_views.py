"""The sys.* and INFORMATION_SCHEMA views, built from the catalogue when they are asked for.

Columns are those that drivers, SQLAlchemy's inspector and pandas read; the views of a real
server have more ("System catalog views (Transact-SQL)").
"""

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import information_schema, session_views, sys_views
from submitter.emulator.sqlserver.catalog import Namespace
from submitter.emulator.sqlserver.catalog_view import Fields, Rows
from submitter.emulator.sqlserver.errors import invalid_object
from submitter.emulator.sqlserver.types import Column, SqlType, type_of_arrow

_VIEWS = {**sys_views.VIEWS, **information_schema.VIEWS}
_LONG = frozenset({"definition", "VIEW_DEFINITION", "COLUMN_DEFAULT"})


def is_system(schema: str) -> bool:
    """Whether a schema holds catalogue views."""
    return schema.lower() in {"sys", "information_schema"}


def view(schema: str, name: str, namespace: Namespace, database: str) -> pa.Table:
    """Return a catalogue view's rows.

    Raises:
        SqlError: 208 for a view that the emulator does not have.
    """
    asked = f"{schema}.{name}".lower()
    if asked in session_views.VIEWS:
        fields, rows_of_session = session_views.VIEWS[asked]
        return _table(fields, rows_of_session(namespace))
    if asked not in _VIEWS:
        raise invalid_object(f"{schema}.{name}")
    fields, rows = _VIEWS[asked]
    return _table(fields, rows(namespace.catalog, namespace.catalog.database(database)))


def function(call: exp.Expression | None, namespace: Namespace) -> pa.Table | None:
    """Return the rows of a function of the catalogue; None if it is another function."""
    if not session_views.is_my_permissions(call):
        return None
    return _table(*session_views.my_permissions(call, namespace))


def _table(fields: Fields, rows: Rows) -> pa.Table:
    values = list(rows)
    arrays = [
        pa.array([row[index] for row in values], kind) for index, (_, kind) in enumerate(fields)
    ]
    return pa.Table.from_arrays(arrays, names=[name for name, _ in fields])


def columns_of(table: pa.Table) -> list[Column]:
    """Return the T-SQL columns of a view's rows; names are sysname."""
    columns = []
    for field in table.schema:
        sql_type = type_of_arrow(field.type)
        if sql_type.name == "nvarchar":
            sql_type = SqlType("nvarchar", length=4000 if field.name in _LONG else 128)
        columns.append(Column(field.name, sql_type))
    return columns
