"""The views of INFORMATION_SCHEMA.

Source: "System Information Schema Views (Transact-SQL)".
"""

from submitter.emulator.sqlserver.catalog import Catalog
from submitter.emulator.sqlserver.catalog_view import INT, SMALL, TEXT, TINY, Rows, View, fields
from submitter.emulator.sqlserver.type_catalog import COLLATION_NAME, byte_length, digits
from submitter.emulator.sqlserver.types import BINARY, CHARACTER, DATE_AND_TIME


def _tables(catalog: Catalog, database: str) -> Rows:
    for table in catalog.tables(database):
        kind = "VIEW" if table.definition is not None else "BASE TABLE"
        yield database, table.schema, table.name, kind


def _columns(catalog: Catalog, database: str) -> Rows:
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


def _schemata(catalog: Catalog, database: str) -> Rows:
    for name in catalog.schemas(database):
        yield database, name, "dbo"


def _views(catalog: Catalog, database: str) -> Rows:
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


_CONSTRAINT_FIELDS = {
    "CONSTRAINT_CATALOG": TEXT, "CONSTRAINT_SCHEMA": TEXT, "CONSTRAINT_NAME": TEXT,
    "TABLE_CATALOG": TEXT, "TABLE_SCHEMA": TEXT, "TABLE_NAME": TEXT,
}  # fmt: skip

VIEWS: dict[str, View] = {
    "information_schema.tables": (
        fields(TABLE_CATALOG=TEXT, TABLE_SCHEMA=TEXT, TABLE_NAME=TEXT, TABLE_TYPE=TEXT),
        _tables,
    ),
    "information_schema.columns": (
        fields(
            TABLE_CATALOG=TEXT, TABLE_SCHEMA=TEXT, TABLE_NAME=TEXT, COLUMN_NAME=TEXT,
            ORDINAL_POSITION=INT, COLUMN_DEFAULT=TEXT, IS_NULLABLE=TEXT, DATA_TYPE=TEXT,
            CHARACTER_MAXIMUM_LENGTH=INT, CHARACTER_OCTET_LENGTH=INT, NUMERIC_PRECISION=TINY,
            NUMERIC_PRECISION_RADIX=SMALL, NUMERIC_SCALE=INT, DATETIME_PRECISION=SMALL,
            COLLATION_NAME=TEXT,
        ),
        _columns,
    ),
    "information_schema.schemata": (
        fields(CATALOG_NAME=TEXT, SCHEMA_NAME=TEXT, SCHEMA_OWNER=TEXT),
        _schemata,
    ),
    "information_schema.views": (
        fields(
            TABLE_CATALOG=TEXT, TABLE_SCHEMA=TEXT, TABLE_NAME=TEXT, VIEW_DEFINITION=TEXT,
            IS_UPDATABLE=TEXT,
        ),
        _views,
    ),
    "information_schema.table_constraints": (
        fields(**_CONSTRAINT_FIELDS, CONSTRAINT_TYPE=TEXT),
        _table_constraints,
    ),
    "information_schema.key_column_usage": (
        fields(**_CONSTRAINT_FIELDS, COLUMN_NAME=TEXT, ORDINAL_POSITION=INT),
        _key_column_usage,
    ),
    "information_schema.referential_constraints": (
        fields(
            CONSTRAINT_CATALOG=TEXT, CONSTRAINT_SCHEMA=TEXT, CONSTRAINT_NAME=TEXT,
            UNIQUE_CONSTRAINT_CATALOG=TEXT, UNIQUE_CONSTRAINT_SCHEMA=TEXT,
            UNIQUE_CONSTRAINT_NAME=TEXT, MATCH_OPTION=TEXT, UPDATE_RULE=TEXT,
            DELETE_RULE=TEXT,
        ),
        _referential_constraints,
    ),
}  # fmt: skip
