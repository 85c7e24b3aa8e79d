"""The sys.* views.

Source: "System catalog views (Transact-SQL)".
"""

from collections.abc import Callable, Iterator

from submitter.emulator.sqlserver.catalog import Catalog, Key, Table
from submitter.emulator.sqlserver.catalog_view import (
    BIG,
    BIT,
    INT,
    SMALL,
    TEXT,
    TINY,
    Rows,
    View,
    fields,
)
from submitter.emulator.sqlserver.type_catalog import (
    COLLATION_NAME,
    STORAGE,
    TYPE_IDS,
    byte_length,
    digits,
)
from submitter.emulator.sqlserver.types import CHARACTER


def _databases(catalog: Catalog, _: str) -> Rows:
    for number, name in enumerate(catalog.databases(), start=1):
        # Readers see versions, as in a new Azure SQL database.
        yield name, number, "ONLINE", 1, COLLATION_NAME, 160, True


def _schemas(catalog: Catalog, database: str) -> Rows:
    ids = _schema_ids(catalog, database)
    for name in catalog.schemas(database):
        yield name, ids[name.lower()], 1


def _objects(catalog: Catalog, database: str) -> Rows:
    ids = _schema_ids(catalog, database)
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
        yield name, number, number, 4, STORAGE.get(name, 8000), 0, 0, collation, True, False


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
            for ordinal, column_id, _ in _key_columns(table, key):
                yield table.object_id, number, ordinal, column_id, ordinal, False, False


def _key_constraints(catalog: Catalog, database: str) -> Rows:
    ids = _schema_ids(catalog, database)
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
    ids = _schema_ids(catalog, database)
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


def _schema_ids(catalog: Catalog, database: str) -> dict[str, int]:
    """Return the ids of a database's schemas, by name in lower case."""
    fixed = {"dbo": 1, "guest": 2, "information_schema": 3, "sys": 4}
    ids = {}
    for number, schema in enumerate(catalog.schemas(database), start=1):
        ids[schema.lower()] = fixed.get(schema.lower(), number)
    return ids


def _key_columns(table: Table, key: Key) -> Iterator[tuple[int, int, str]]:
    """Yield each key column's place in the key, its id and its name."""
    names = [column.name.lower() for column in table.columns]
    for ordinal, name in enumerate(key.columns, start=1):
        yield ordinal, names.index(name.lower()) + 1, name


def _key_id(table: Table, position: int) -> int:
    return table.object_id + position + 1


_OBJECT_FIELDS = fields(
    name=TEXT, object_id=INT, schema_id=INT, type=TEXT, type_desc=TEXT, is_ms_shipped=BIT,
    parent_object_id=INT,
)  # fmt: skip

VIEWS: dict[str, View] = {
    "sys.databases": (
        fields(
            name=TEXT, database_id=INT, state_desc=TEXT, snapshot_isolation_state=TINY,
            collation_name=TEXT, compatibility_level=TINY, is_read_committed_snapshot_on=BIT,
        ),
        _databases,
    ),
    "sys.schemas": (fields(name=TEXT, schema_id=INT, principal_id=INT), _schemas),
    "sys.objects": (_OBJECT_FIELDS, _objects),
    "sys.all_objects": (_OBJECT_FIELDS, _objects),
    "sys.tables": (_OBJECT_FIELDS, _of_kind("U")),
    "sys.views": (_OBJECT_FIELDS, _of_kind("V")),
    "sys.columns": (
        fields(
            object_id=INT, name=TEXT, column_id=INT, system_type_id=TINY, user_type_id=INT,
            max_length=SMALL, precision=TINY, scale=TINY, collation_name=TEXT,
            is_nullable=BIT, is_identity=BIT, is_computed=BIT, default_object_id=INT,
        ),
        _columns,
    ),
    "sys.types": (
        fields(
            name=TEXT, system_type_id=TINY, user_type_id=INT, schema_id=INT,
            max_length=SMALL, precision=TINY, scale=TINY, collation_name=TEXT,
            is_nullable=BIT, is_user_defined=BIT,
        ),
        _types,
    ),
    "sys.indexes": (
        fields(
            object_id=INT, name=TEXT, index_id=INT, type=TINY, type_desc=TEXT,
            is_unique=BIT, is_primary_key=BIT, is_unique_constraint=BIT,
            is_hypothetical=BIT, has_filter=BIT, filter_definition=TEXT,
        ),
        _indexes,
    ),
    "sys.index_columns": (
        fields(
            object_id=INT, index_id=INT, index_column_id=INT, column_id=INT,
            key_ordinal=TINY, is_descending_key=BIT, is_included_column=BIT,
        ),
        _index_columns,
    ),
    "sys.key_constraints": (
        fields(
            name=TEXT, object_id=INT, parent_object_id=INT, schema_id=INT, type=TEXT,
            unique_index_id=INT,
        ),
        _key_constraints,
    ),
    "sys.foreign_keys": (
        fields(
            name=TEXT, object_id=INT, parent_object_id=INT, schema_id=INT,
            referenced_object_id=INT, delete_referential_action_desc=TEXT,
            update_referential_action_desc=TEXT,
        ),
        _foreign_keys,
    ),
    "sys.foreign_key_columns": (
        fields(
            constraint_object_id=INT, constraint_column_id=INT, parent_object_id=INT,
            parent_column_id=INT, referenced_object_id=INT, referenced_column_id=INT,
        ),
        _foreign_key_columns,
    ),
    "sys.default_constraints": (
        fields(
            name=TEXT, object_id=INT, parent_object_id=INT, parent_column_id=INT,
            definition=TEXT,
        ),
        _default_constraints,
    ),
    "sys.identity_columns": (
        fields(
            object_id=INT, name=TEXT, column_id=INT, seed_value=BIG, increment_value=BIG,
            last_value=BIG, is_identity=BIT,
        ),
        _identity_columns,
    ),
    "sys.computed_columns": (
        fields(
            object_id=INT, name=TEXT, column_id=INT, definition=TEXT, is_persisted=BIT
        ),
        _nothing,
    ),
    "sys.extended_properties": (
        fields(**{
            "class": TINY, "class_desc": TEXT, "major_id": INT, "minor_id": INT,
            "name": TEXT, "value": TEXT,
        }),
        _nothing,
    ),
    "sys.synonyms": (_OBJECT_FIELDS, _nothing),
    "sys.sequences": (_OBJECT_FIELDS, _nothing),
    "sys.sql_modules": (fields(object_id=INT, definition=TEXT), _views),
    "sys.system_views": (
        fields(name=TEXT, object_id=INT),
        lambda _catalog, _database: iter(
            (("dm_exec_sessions", -1), ("dm_exec_connections", -2))
        ),
    ),
}  # fmt: skip
