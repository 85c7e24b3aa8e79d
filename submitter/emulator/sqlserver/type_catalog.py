"""What the catalogue says of each type: its number, its bytes and its digits.

Source: "sys.types (Transact-SQL)".
"""

from submitter.emulator.sqlserver.types import BINARY, CHARACTER, MAX, NATIONAL, SqlType

COLLATION_NAME = "SQL_Latin1_General_CP1_CI_AS"
TYPE_IDS = {
    "uniqueidentifier": 36, "date": 40, "time": 41, "datetime2": 42, "datetimeoffset": 43,
    "tinyint": 48, "smallint": 52, "int": 56, "smalldatetime": 58, "real": 59, "money": 60,
    "datetime": 61, "float": 62, "bit": 104, "decimal": 106, "numeric": 108, "smallmoney": 122,
    "bigint": 127, "varbinary": 165, "varchar": 167, "binary": 173, "char": 175,
    "nvarchar": 231, "nchar": 239, "timestamp": 189,
}  # fmt: skip
STORAGE = {
    "uniqueidentifier": 16, "date": 3, "time": 5, "datetime2": 8, "datetimeoffset": 10,
    "tinyint": 1, "smallint": 2, "int": 4, "smalldatetime": 4, "real": 4, "money": 8,
    "datetime": 8, "float": 8, "bit": 1, "decimal": 9, "numeric": 9, "smallmoney": 4, "bigint": 8,
}  # fmt: skip
_DIGITS = {
    "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19, "real": 24, "float": 53, "money": 19,
    "smallmoney": 10, "bit": 1, "date": 10, "datetime": 23, "smalldatetime": 16,
}  # fmt: skip


def byte_length(sql_type: SqlType) -> int:
    """Return max_length as sys.columns has it: bytes, -1 for max."""
    if sql_type.name in CHARACTER | BINARY:
        return sql_type.length * (2 if sql_type.name in NATIONAL and sql_type.length != MAX else 1)
    return STORAGE[sql_type.name]


def digits(sql_type: SqlType) -> int:
    """Return precision as sys.columns has it: 0 for strings."""
    if sql_type.name in {"decimal", "numeric"}:
        return sql_type.precision
    if sql_type.name in {"time", "datetime2", "datetimeoffset"}:
        base = {"time": 8, "datetime2": 19, "datetimeoffset": 26}[sql_type.name]
        return base + (sql_type.scale + 1 if sql_type.scale else 0)
    return _DIGITS.get(sql_type.name, 0)
