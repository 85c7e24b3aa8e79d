"""The sys.* and INFORMATION_SCHEMA views, built from the catalogue when they are asked for.

Columns are those that drivers, SQLAlchemy's inspector and pandas read; the views of a real
server have more ("System catalog views (Transact-SQL)").
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from submitter.emulator.sqlserver.catalog import Catalog, Key, Namespace, Table
from submitter.emulator.sqlserver.errors import invalid_object
from submitter.emulator.sqlserver.types import (
    BINARY,
    CHARACTER,
    DATE_AND_TIME,
    MAX,
    NATIONAL,
    Column,
    SqlType,
    type_of_arrow,
)

COLLATION_NAME = "SQL_Latin1_General_CP1_CI_AS"
_INT, _SMALL, _TINY, _BIT, _TEXT = pa.int32(), pa.int16(), pa.uint8(), pa.bool_(), pa.string()
_BIG = pa.int64()

# The numbers of "sys.types (Transact-SQL)".
TYPE_IDS = {
    "uniqueidentifier": 36, "date": 40, "time": 41, "datetime2": 42, "datetimeoffset": 43,
    "tinyint": 48, "smallint": 52, "int": 56, "smalldatetime": 58, "real": 59, "money": 60,
    "datetime": 61, "float": 62, "bit": 104, "decimal": 106, "numeric": 108, "smallmoney": 122,
    "bigint": 127, "varbinary": 165, "varchar": 167, "binary": 173, "char": 175,
    "nvarchar": 231, "nchar": 239, "timestamp": 189,
}  # fmt: skip
_STORAGE = {
    "uniqueidentifier": 16, "date": 3, "time": 5, "datetime2": 8, "datetimeoffset": 10,
    "tinyint": 1, "smallint": 2, "int": 4, "smalldatetime": 4, "real": 4, "money": 8,
    "datetime": 8, "float": 8, "bit": 1, "decimal": 9, "numeric": 9, "smallmoney": 4, "bigint": 8,
}  # fmt: skip
_DIGITS = {
    "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19, "real": 24, "float": 53, "money": 19,
    "smallmoney": 10, "bit": 1, "date": 10, "datetime": 23, "smalldatetime": 16,
}  # fmt: skip

Fields = Sequence[tuple[str, pa.DataType]]
Rows = Iterator[tuple[Any, ...]]


def is_system(schema: str) -> bool:
    """Whether a schema holds catalogue views."""
    return schema.lower() in {"sys", "information_schema"}


def view(schema: str, name: str, namespace: Namespace, database: str) -> pa.Table:
    """Return a catalogue view's rows.

    Raises:
        SqlError: 208 for a view that the emulator does not have.
    """
    found = _VIEWS.get(f"{schema}.{name}".lower())
    if found is None:
        raise invalid_object(f"{schema}.{name}")
    fields, rows = found
    database = namespace.catalog.database(database)
    values = list(rows(namespace.catalog, database))
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


_LONG = frozenset({"definition", "VIEW_DEFINITION", "COLUMN_DEFAULT"})


def byte_length(sql_type: SqlType) -> int:
    """Return max_length as sys.columns has it: bytes, -1 for max."""
    if sql_type.name in CHARACTER | BINARY:
        return sql_type.length * (2 if sql_type.name in NATIONAL and sql_type.length != MAX else 1)
    return _STORAGE[sql_type.name]


def digits(sql_type: SqlType) -> int:
    """Return precision as sys.columns has it: 0 for strings."""
    if sql_type.name in {"decimal", "numeric"}:
        return sql_type.precision
    if sql_type.name in {"time", "datetime2", "datetimeoffset"}:
        base = {"time": 8, "datetime2": 19, "datetimeoffset": 26}[sql_type.name]
        return base + (sql_type.scale + 1 if sql_type.scale else 0)
    return _DIGITS.get(sql_type.name, 0)


def schema_ids(catalog: Catalog, database: str) -> dict[str, int]:
    """Return the ids of a database's schemas, by name in lower case."""
    fixed = {"dbo": 1, "guest": 2, "information_schema": 3, "sys": 4}
    ids = {}
    for number, schema in enumerate(catalog.schemas(database), start=1):
        ids[schema.lower()] = fixed.get(schema.lower(), number)
    return ids


def key_columns(table: Table, key: Key) -> Iterator[tuple[int, int, str]]:
    """Yield each key column's place in the key, its id and its name."""
    names = [column.name.lower() for column in table.columns]
    for ordinal, name in enumerate(key.columns, start=1):
        yield ordinal, names.index(name.lower()) + 1, name


def _key_id(table: Table, position: int) -> int:
    return table.object_id + position + 1


def _databases(catalog: Catalog, _: str) -> Rows:
    for number, name in enumerate(catalog.databases(), start=1):
        yield name, number, "ONLINE", 0, COLLATION_NAME, 160, False


def _schemas(catalog: Catalog, database: str) -> Rows:
    ids = schema_ids(catalog, database)
    for name in catalog.schemas(database):
        yield name, ids[name.lower()], 1


def _objects(catalog: Catalog, database: str) -> Rows:
    ids = schema_ids(catalog, database)
    for table in catalog.tables(database):
        is_view = table.definition is not None
        kind = ("V", "VIEW") if is_view else ("U", "USER_TABLE")
        yield table.name, table.object_id, ids[table.schema.lower()], *kind, False, 0
        for position, key in enumerate(table.keys):
            if key.constraint:
                kind = (
                    ("PK", "PRIMARY_KEY_CONSTRAINT") if key.primary else ("UQ", "UNIQUE_CONSTRAINT")
                )
                yield (
                    key.name,
                    _key_id(table, position),
                    ids[table.schema.lower()],
                    *kind,
                    False,
                    table.object_id,
                )


def _of_kind(kind: str) -> Callable[[Catalog, str], Rows]:
    def rows(catalog: Catalog, database: str) -> Rows:
        return (row for row in _objects(catalog, database) if row[3] == kind)

    return rows


def _columns(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for number, column in enumerate(table.columns, start=1):
            kind = column.type
            yield (
                table.object_id,
                column.name,
                number,
                TYPE_IDS[kind.name],
                TYPE_IDS[kind.name],
                byte_length(kind),
                digits(kind),
                kind.scale,
                COLLATION_NAME if kind.name in CHARACTER else None,
                column.nullable,
                column.identity,
                False,
                table.object_id + 1000 + number if column.name.lower() in table.defaults else 0,
            )


def _types(_: Catalog, __: str) -> Rows:
    for name, number in TYPE_IDS.items():
        collation = COLLATION_NAME if name in CHARACTER else None
        yield name, number, number, 4, _STORAGE.get(name, 8000), 0, 0, collation, True, False


def _indexes(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for number, key in enumerate(table.keys, start=1):
            yield (
                table.object_id,
                key.name,
                number,
                1 if key.primary else 2,
                "CLUSTERED" if key.primary else "NONCLUSTERED",
                key.unique,
                key.primary,
                key.unique and key.constraint and not key.primary,
                False,
                False,
                None,
            )


def _index_columns(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for number, key in enumerate(table.keys, start=1):
            for ordinal, column_id, _ in key_columns(table, key):
                yield table.object_id, number, ordinal, column_id, ordinal, False, False


def _key_constraints(catalog: Catalog, database: str) -> Rows:
    ids = schema_ids(catalog, database)
    for table in catalog.tables(database):
        for position, key in enumerate(table.keys):
            if key.constraint:
                yield (
                    key.name,
                    _key_id(table, position),
                    table.object_id,
                    ids[table.schema.lower()],
                    "PK" if key.primary else "UQ",
                    position + 1,
                )


def _foreign_keys(catalog: Catalog, database: str) -> Rows:
    ids = schema_ids(catalog, database)
    for table in catalog.tables(database):
        for position, key in enumerate(table.foreign_keys):
            referred = catalog.find(key.referred)
            if referred is not None:
                yield (
                    key.name,
                    table.object_id + 8 + position,
                    table.object_id,
                    ids[table.schema.lower()],
                    referred.object_id,
                    "NO_ACTION",
                    "NO_ACTION",
                )


def _foreign_key_columns(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        names = [column.name.lower() for column in table.columns]
        for position, key in enumerate(table.foreign_keys):
            referred = catalog.find(key.referred)
            if referred is None:
                continue
            others = [column.name.lower() for column in referred.columns]
            for ordinal, (own, other) in enumerate(
                zip(key.columns, key.referred_columns, strict=True), 1
            ):
                yield (
                    table.object_id + 8 + position,
                    ordinal,
                    table.object_id,
                    names.index(own.lower()) + 1,
                    referred.object_id,
                    others.index(other.lower()) + 1,
                )


def _default_constraints(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for number, column in enumerate(table.columns, start=1):
            definition = table.defaults.get(column.name.lower())
            if definition is not None:
                name = f"DF__{table.name}__{column.name}"
                yield name, table.object_id + 1000 + number, table.object_id, number, definition


def _identity_columns(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for number, column in enumerate(table.columns, start=1):
            if column.identity:
                last = catalog.next_identity(table) - 1
                yield table.object_id, column.name, number, 1, 1, last or None, True


def _views(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        if table.definition is not None:
            yield table.object_id, table.definition


def _nothing(_: Catalog, __: str) -> Rows:
    return iter(())


def _information_tables(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        kind = "VIEW" if table.definition is not None else "BASE TABLE"
        yield database, table.schema, table.name, kind


def _information_columns(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for number, column in enumerate(table.columns, start=1):
            kind = column.type
            text = kind.name in CHARACTER | BINARY
            timed = kind.name in DATE_AND_TIME | {"date", "time"}
            exact = digits(kind) if not timed and not text and kind.name != "bit" else None
            yield (
                database,
                table.schema,
                table.name,
                column.name,
                number,
                table.defaults.get(column.name.lower()),
                "YES" if column.nullable else "NO",
                kind.name,
                kind.length if text else None,
                byte_length(kind) if text else None,
                exact or None,
                10 if exact and kind.name not in {"real", "float"} else None,
                kind.scale if exact and kind.name not in {"real", "float"} else None,
                kind.scale if timed else None,
                COLLATION_NAME if kind.name in CHARACTER else None,
            )


def _information_schemata(catalog: Catalog, database: str) -> Rows:
    for name in catalog.schemas(database):
        yield database, name, "dbo"


def _information_views(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        if table.definition is not None:
            yield database, table.schema, table.name, table.definition, "NO"


def _table_constraints(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for key in table.keys:
            if key.constraint:
                kind = "PRIMARY KEY" if key.primary else "UNIQUE"
                yield database, table.schema, key.name, database, table.schema, table.name, kind
        for foreign in table.foreign_keys:
            yield (
                database, table.schema, foreign.name, database, table.schema, table.name,
                "FOREIGN KEY",
            )  # fmt: skip


def _key_column_usage(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        named = [(key.name, key.columns) for key in table.keys if key.constraint]
        named += [(key.name, key.columns) for key in table.foreign_keys]
        for name, columns in named:
            for ordinal, column in enumerate(columns, start=1):
                yield (
                    database, table.schema, name, database, table.schema, table.name, column,
                    ordinal,
                )  # fmt: skip


def _referential_constraints(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        for foreign in table.foreign_keys:
            referred = catalog.find(foreign.referred)
            primary = [key.name for key in referred.keys if key.primary] if referred else []
            yield (
                database, table.schema, foreign.name, database, table.schema,
                primary[0] if primary else None, "SIMPLE", "NO ACTION", "NO ACTION",
            )  # fmt: skip


def _fields(**kinds: pa.DataType) -> Fields:
    return tuple(kinds.items())


_OBJECT_FIELDS = _fields(
    name=_TEXT, object_id=_INT, schema_id=_INT, type=_TEXT, type_desc=_TEXT, is_ms_shipped=_BIT,
    parent_object_id=_INT,
)  # fmt: skip
_CONSTRAINT_FIELDS = {
    "CONSTRAINT_CATALOG": _TEXT, "CONSTRAINT_SCHEMA": _TEXT, "CONSTRAINT_NAME": _TEXT,
    "TABLE_CATALOG": _TEXT, "TABLE_SCHEMA": _TEXT, "TABLE_NAME": _TEXT,
}  # fmt: skip

_VIEWS: dict[str, tuple[Fields, Callable[[Catalog, str], Rows]]] = {
    "sys.databases": (
        _fields(
            name=_TEXT, database_id=_INT, state_desc=_TEXT, snapshot_isolation_state=_TINY,
            collation_name=_TEXT, compatibility_level=_TINY, is_read_committed_snapshot_on=_BIT,
        ),
        _databases,
    ),
    "sys.schemas": (_fields(name=_TEXT, schema_id=_INT, principal_id=_INT), _schemas),
    "sys.objects": (_OBJECT_FIELDS, _objects),
    "sys.all_objects": (_OBJECT_FIELDS, _objects),
    "sys.tables": (_OBJECT_FIELDS, _of_kind("U")),
    "sys.views": (_OBJECT_FIELDS, _of_kind("V")),
    "sys.columns": (
        _fields(
            object_id=_INT, name=_TEXT, column_id=_INT, system_type_id=_TINY, user_type_id=_INT,
            max_length=_SMALL, precision=_TINY, scale=_TINY, collation_name=_TEXT,
            is_nullable=_BIT, is_identity=_BIT, is_computed=_BIT, default_object_id=_INT,
        ),
        _columns,
    ),
    "sys.types": (
        _fields(
            name=_TEXT, system_type_id=_TINY, user_type_id=_INT, schema_id=_INT,
            max_length=_SMALL, precision=_TINY, scale=_TINY, collation_name=_TEXT,
            is_nullable=_BIT, is_user_defined=_BIT,
        ),
        _types,
    ),
    "sys.indexes": (
        _fields(
            object_id=_INT, name=_TEXT, index_id=_INT, type=_TINY, type_desc=_TEXT,
            is_unique=_BIT, is_primary_key=_BIT, is_unique_constraint=_BIT,
            is_hypothetical=_BIT, has_filter=_BIT, filter_definition=_TEXT,
        ),
        _indexes,
    ),
    "sys.index_columns": (
        _fields(
            object_id=_INT, index_id=_INT, index_column_id=_INT, column_id=_INT,
            key_ordinal=_TINY, is_descending_key=_BIT, is_included_column=_BIT,
        ),
        _index_columns,
    ),
    "sys.key_constraints": (
        _fields(
            name=_TEXT, object_id=_INT, parent_object_id=_INT, schema_id=_INT, type=_TEXT,
            unique_index_id=_INT,
        ),
        _key_constraints,
    ),
    "sys.foreign_keys": (
        _fields(
            name=_TEXT, object_id=_INT, parent_object_id=_INT, schema_id=_INT,
            referenced_object_id=_INT, delete_referential_action_desc=_TEXT,
            update_referential_action_desc=_TEXT,
        ),
        _foreign_keys,
    ),
    "sys.foreign_key_columns": (
        _fields(
            constraint_object_id=_INT, constraint_column_id=_INT, parent_object_id=_INT,
            parent_column_id=_INT, referenced_object_id=_INT, referenced_column_id=_INT,
        ),
        _foreign_key_columns,
    ),
    "sys.default_constraints": (
        _fields(
            name=_TEXT, object_id=_INT, parent_object_id=_INT, parent_column_id=_INT,
            definition=_TEXT,
        ),
        _default_constraints,
    ),
    "sys.identity_columns": (
        _fields(
            object_id=_INT, name=_TEXT, column_id=_INT, seed_value=_BIG, increment_value=_BIG,
            last_value=_BIG, is_identity=_BIT,
        ),
        _identity_columns,
    ),
    "sys.computed_columns": (
        _fields(
            object_id=_INT, name=_TEXT, column_id=_INT, definition=_TEXT, is_persisted=_BIT
        ),
        _nothing,
    ),
    "sys.extended_properties": (
        _fields(**{
            "class": _TINY, "class_desc": _TEXT, "major_id": _INT, "minor_id": _INT,
            "name": _TEXT, "value": _TEXT,
        }),
        _nothing,
    ),
    "sys.synonyms": (_OBJECT_FIELDS, _nothing),
    "sys.sequences": (_OBJECT_FIELDS, _nothing),
    "sys.sql_modules": (_fields(object_id=_INT, definition=_TEXT), _views),
    "sys.system_views": (
        _fields(name=_TEXT, object_id=_INT),
        lambda _catalog, _database: iter((("dm_exec_sessions", -1),)),
    ),
    "sys.dm_exec_sessions": (
        _fields(session_id=_SMALL, transaction_isolation_level=_SMALL, program_name=_TEXT),
        lambda _catalog, _database: iter((number, 2, None) for number in range(51, 1000)),
    ),
    "information_schema.tables": (
        _fields(TABLE_CATALOG=_TEXT, TABLE_SCHEMA=_TEXT, TABLE_NAME=_TEXT, TABLE_TYPE=_TEXT),
        _information_tables,
    ),
    "information_schema.columns": (
        _fields(
            TABLE_CATALOG=_TEXT, TABLE_SCHEMA=_TEXT, TABLE_NAME=_TEXT, COLUMN_NAME=_TEXT,
            ORDINAL_POSITION=_INT, COLUMN_DEFAULT=_TEXT, IS_NULLABLE=_TEXT, DATA_TYPE=_TEXT,
            CHARACTER_MAXIMUM_LENGTH=_INT, CHARACTER_OCTET_LENGTH=_INT, NUMERIC_PRECISION=_TINY,
            NUMERIC_PRECISION_RADIX=_SMALL, NUMERIC_SCALE=_INT, DATETIME_PRECISION=_SMALL,
            COLLATION_NAME=_TEXT,
        ),
        _information_columns,
    ),
    "information_schema.schemata": (
        _fields(CATALOG_NAME=_TEXT, SCHEMA_NAME=_TEXT, SCHEMA_OWNER=_TEXT),
        _information_schemata,
    ),
    "information_schema.views": (
        _fields(
            TABLE_CATALOG=_TEXT, TABLE_SCHEMA=_TEXT, TABLE_NAME=_TEXT, VIEW_DEFINITION=_TEXT,
            IS_UPDATABLE=_TEXT,
        ),
        _information_views,
    ),
    "information_schema.table_constraints": (
        _fields(**_CONSTRAINT_FIELDS, CONSTRAINT_TYPE=_TEXT),
        _table_constraints,
    ),
    "information_schema.key_column_usage": (
        _fields(**_CONSTRAINT_FIELDS, COLUMN_NAME=_TEXT, ORDINAL_POSITION=_INT),
        _key_column_usage,
    ),
    "information_schema.referential_constraints": (
        _fields(
            CONSTRAINT_CATALOG=_TEXT, CONSTRAINT_SCHEMA=_TEXT, CONSTRAINT_NAME=_TEXT,
            UNIQUE_CONSTRAINT_CATALOG=_TEXT, UNIQUE_CONSTRAINT_SCHEMA=_TEXT,
            UNIQUE_CONSTRAINT_NAME=_TEXT, MATCH_OPTION=_TEXT, UPDATE_RULE=_TEXT,
            DELETE_RULE=_TEXT,
        ),
        _referential_constraints,
    ),
}  # fmt: skip
