"""System procedures that answer from the catalogue, as drivers ask them.

Source: "System stored procedures (Transact-SQL)".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from submitter.emulator.sqlserver.calls import Call
from submitter.emulator.sqlserver.catalog import Table
from submitter.emulator.sqlserver.describing import described
from submitter.emulator.sqlserver.errors import not_played, unknown_procedure
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import Outcome, ResultSet
from submitter.emulator.sqlserver.system_views import columns_of
from submitter.emulator.sqlserver.type_catalog import TYPE_IDS, byte_length, digits
from submitter.emulator.sqlserver.types import (
    BINARY,
    CHARACTER,
    MAX,
    MAX_LENGTH_ON_WIRE,
    SqlType,
)
from submitter.emulator.sqlserver.undeclared import parameter_types


def play(call: Call, interpreter: Interpreter) -> Iterator[Outcome]:
    """Run a procedure that answers from the catalogue.

    Raises:
        SqlError: 2812 for an unknown one, 40000 for cursors.
    """
    if call.name.startswith("sp_cursor"):
        raise not_played("server-side cursors")
    procedure = _PROCEDURES.get(call.name)
    if procedure is None:
        raise unknown_procedure(call.name)
    table = procedure(call, interpreter)
    if table is not None:
        yield ResultSet(columns_of(table), iter(table.to_batches()))


# Type name, ODBC's number, digits, literal prefix, literal suffix, largest scale.
_DATA_TYPES: tuple[tuple[str, int, int, str | None, str | None, int | None], ...] = (
    ("datetimeoffset", -155, 34, "'", "'", 7),
    ("time", -154, 16, "'", "'", 7),
    ("uniqueidentifier", -11, 36, "'", "'", None),
    ("nvarchar", -9, 4000, "N'", "'", None),
    ("nchar", -8, 4000, "N'", "'", None),
    ("bit", -7, 1, None, None, 0),
    ("tinyint", -6, 3, None, None, 0),
    ("bigint", -5, 19, None, None, 0),
    ("varbinary", -3, 8000, "0x", None, None),
    ("binary", -2, 8000, "0x", None, None),
    ("timestamp", -2, 8, "0x", None, None),
    ("char", 1, 8000, "'", "'", None),
    ("numeric", 2, 38, None, None, 38),
    ("decimal", 3, 38, None, None, 38),
    ("money", 3, 19, "$", None, 4),
    ("smallmoney", 3, 10, "$", None, 4),
    ("int", 4, 10, None, None, 0),
    ("smallint", 5, 5, None, None, 0),
    ("float", 6, 53, None, None, None),
    ("real", 7, 24, None, None, None),
    ("varchar", 12, 8000, "'", "'", None),
    ("date", 91, 10, "'", "'", 0),
    ("datetime2", 93, 27, "'", "'", 7),
    ("datetime", 93, 23, "'", "'", 3),
    ("smalldatetime", 93, 16, "'", "'", 0),
)
_ODBC_NUMBER = {name: number for name, number, *_ in _DATA_TYPES}

_TEXT, _INT, _SMALL = pa.string(), pa.int32(), pa.int16()


def _rows(fields: Sequence[tuple[str, pa.DataType]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    arrays = [pa.array([row[i] for row in rows], kind) for i, (_, kind) in enumerate(fields)]
    return pa.Table.from_arrays(arrays, names=[name for name, _ in fields])


def _data_type_info(call: Call, _: Interpreter) -> pa.Table:
    wanted = call.value(0, "@data_type") or 0
    fields = (
        ("TYPE_NAME", _TEXT), ("DATA_TYPE", _SMALL), ("PRECISION", _INT),
        ("LITERAL_PREFIX", _TEXT), ("LITERAL_SUFFIX", _TEXT), ("CREATE_PARAMS", _TEXT),
        ("NULLABLE", _SMALL), ("CASE_SENSITIVE", _SMALL), ("SEARCHABLE", _SMALL),
        ("UNSIGNED_ATTRIBUTE", _SMALL), ("MONEY", _SMALL), ("AUTO_INCREMENT", _SMALL),
        ("LOCAL_TYPE_NAME", _TEXT), ("MINIMUM_SCALE", _SMALL), ("MAXIMUM_SCALE", _SMALL),
        ("SQL_DATA_TYPE", _SMALL), ("SQL_DATETIME_SUB", _SMALL), ("NUM_PREC_RADIX", _INT),
        ("INTERVAL_PRECISION", _SMALL), ("USERTYPE", _SMALL),
    )  # fmt: skip
    rows = [
        (name, number, size, prefix, suffix, None, 1, 0, 3, 0, int("money" in name), 0, name,
         0 if scale is not None else None, scale, number, None, 10, None, 0)
        for name, number, size, prefix, suffix, scale in _DATA_TYPES
        if wanted in (0, number)
    ]  # fmt: skip
    return _rows(fields, rows)


def _tables(call: Call, interpreter: Interpreter) -> pa.Table:
    fields = (
        ("TABLE_QUALIFIER", _TEXT), ("TABLE_OWNER", _TEXT), ("TABLE_NAME", _TEXT),
        ("TABLE_TYPE", _TEXT), ("REMARKS", _TEXT),
    )  # fmt: skip
    wanted = call.value(3, "@table_type")
    rows = []
    for table in _matching(call, interpreter):
        kind = "TABLE" if table.definition is None else "VIEW"
        if not wanted or f"'{kind}'" in wanted.upper() or wanted.upper() == kind:
            rows.append((table.database, table.schema, table.name, kind, None))
    return _rows(fields, sorted(rows, key=lambda row: (row[3], row[1], row[2])))


def _columns(call: Call, interpreter: Interpreter) -> pa.Table:
    fields = (
        ("TABLE_QUALIFIER", _TEXT), ("TABLE_OWNER", _TEXT), ("TABLE_NAME", _TEXT),
        ("COLUMN_NAME", _TEXT), ("DATA_TYPE", _SMALL), ("TYPE_NAME", _TEXT), ("PRECISION", _INT),
        ("LENGTH", _INT), ("SCALE", _SMALL), ("RADIX", _SMALL), ("NULLABLE", _SMALL),
        ("REMARKS", _TEXT), ("COLUMN_DEF", _TEXT), ("SQL_DATA_TYPE", _SMALL),
        ("SQL_DATETIME_SUB", _SMALL), ("CHAR_OCTET_LENGTH", _INT), ("ORDINAL_POSITION", _INT),
        ("IS_NULLABLE", _TEXT), ("SS_DATA_TYPE", pa.uint8()),
    )  # fmt: skip
    pattern = _like(call.value(3, "@column_name"))
    rows = []
    for table in _matching(call, interpreter):
        for ordinal, column in enumerate(table.columns, start=1):
            if not pattern.fullmatch(column.name):
                continue
            kind = column.type
            number = _ODBC_NUMBER[kind.name]
            size = kind.length if kind.name in CHARACTER | BINARY else digits(kind)
            octets = byte_length(kind)
            name = f"{kind.name} identity" if column.identity else kind.name
            is_text = kind.name in CHARACTER | BINARY
            rows.append(
                (table.database, table.schema, table.name, column.name, number, name,
                 max(size, 0), max(octets, 0), None if is_text else kind.scale,
                 None if is_text else 10, int(column.nullable), None,
                 table.defaults.get(column.name.lower()), number, None,
                 max(octets, 0) if is_text else None, ordinal,
                 "YES" if column.nullable else "NO", 0)
            )  # fmt: skip
    return _rows(fields, rows)


def _primary_keys(call: Call, interpreter: Interpreter) -> pa.Table:
    fields = (
        ("TABLE_QUALIFIER", _TEXT), ("TABLE_OWNER", _TEXT), ("TABLE_NAME", _TEXT),
        ("COLUMN_NAME", _TEXT), ("KEY_SEQ", _SMALL), ("PK_NAME", _TEXT),
    )  # fmt: skip
    rows = [
        (table.database, table.schema, table.name, name, ordinal, key.name)
        for table in _matching(call, interpreter)
        for key in table.keys
        if key.primary
        for ordinal, name in enumerate(key.columns, start=1)
    ]
    return _rows(fields, rows)


_LONGEST_DECIMAL = 17  # bytes
_UNDECLARED_FIELDS = (
    ("parameter_ordinal", _INT), ("name", _TEXT), ("suggested_system_type_id", _INT),
    ("suggested_system_type_name", _TEXT), ("suggested_max_length", _SMALL),
    ("suggested_precision", pa.uint8()), ("suggested_scale", pa.uint8()),
    ("suggested_user_type_id", _INT), ("suggested_user_type_database", _TEXT),
    ("suggested_user_type_schema", _TEXT), ("suggested_user_type_name", _TEXT),
    ("suggested_assembly_qualified_type_name", _TEXT), ("suggested_xml_collection_id", _INT),
    ("suggested_xml_collection_database", _TEXT), ("suggested_xml_collection_schema", _TEXT),
    ("suggested_xml_collection_name", _TEXT), ("suggested_is_xml_document", pa.bool_()),
    ("suggested_is_case_sensitive", pa.bool_()),
    ("suggested_is_fixed_length_clr_type", pa.bool_()), ("suggested_is_input", pa.bool_()),
    ("suggested_is_output", pa.bool_()), ("formal_parameter_name", _TEXT),
    ("suggested_tds_type_id", _INT), ("suggested_tds_length", _INT),
)  # fmt: skip


def _undeclared_parameters(call: Call, interpreter: Interpreter) -> pa.Table:
    """Describe parameters with all columns of the real procedure: drivers read by position."""
    types = parameter_types(call.value(0) or "", interpreter.namespace)
    rows = []
    for ordinal, (name, kind) in enumerate(types.items(), start=1):
        unused = [None] * 9  # about types of users, of the CLR and of XML
        rows.append(
            (ordinal, name, TYPE_IDS[kind.name], kind.declaration, byte_length(kind), digits(kind),
             kind.scale, *unused, False, False, False, True, False, None, kind.type_info[0],
             _tds_length(kind))
        )  # fmt: skip
    return _rows(_UNDECLARED_FIELDS, rows)


def _first_result_set(call: Call, interpreter: Interpreter) -> pa.Table:
    """Describe a SELECT: it is run, but no row is asked for."""
    return described(call.value(0, "@tsql") or "", interpreter)


def _tds_length(kind: SqlType) -> int:
    """Return the length that TYPE_INFO has for a type (MS-TDS 2.2.5.5.1)."""
    if kind.name in {"decimal", "numeric"}:
        return _LONGEST_DECIMAL
    length = byte_length(kind)
    return MAX_LENGTH_ON_WIRE if length == MAX else length


def _reset(_: Call, interpreter: Interpreter) -> None:
    for _outcome in interpreter.reset():
        pass


def _databases(_: Call, interpreter: Interpreter) -> pa.Table:
    fields = (("DATABASE_NAME", _TEXT), ("DATABASE_SIZE", _INT), ("REMARKS", _TEXT))
    names = interpreter.namespace.catalog.databases()
    return _rows(fields, [(name, 8192, None) for name in names])


def _matching(call: Call, interpreter: Interpreter) -> list[Table]:
    namespace = interpreter.namespace
    name, owner = _like(call.value(0, "@table_name")), _like(call.value(1, "@table_owner"))
    database = call.value(2, "@table_qualifier") or namespace.database
    return [
        table
        for table in namespace.catalog.tables(namespace.catalog.database(database))
        if name.fullmatch(table.name) and owner.fullmatch(table.schema)
    ]


def _like(pattern: str | None) -> re.Pattern[str]:
    """Return the regular expression of a LIKE pattern as ODBC sends it; none matches all."""
    parts = []
    for part in re.split(r"(\[.\]|\\.|%|_)", pattern or "%"):
        if part == "%":
            parts.append(".*")
        elif part == "_":
            parts.append(".")
        elif part.startswith(("[", "\\")) and len(part) > 1:
            parts.append(re.escape(part[1]))
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


_PROCEDURES: dict[str, Callable[[Call, Interpreter], pa.Table | None]] = {
    "sp_datatype_info": _data_type_info,
    "sp_datatype_info_90": _data_type_info,
    "sp_datatype_info_100": _data_type_info,
    "sp_tables": _tables,
    "sp_columns": _columns,
    "sp_columns_90": _columns,
    "sp_columns_100": _columns,
    "sp_pkeys": _primary_keys,
    "sp_databases": _databases,
    "sp_describe_undeclared_parameters": _undeclared_parameters,
    "sp_describe_first_result_set": _first_result_set,
    "sp_reset_connection": _reset,
}
