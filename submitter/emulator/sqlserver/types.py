"""T-SQL types: their declaration, their TYPE_INFO on the wire, their Arrow and DuckDB forms.

Sources: MS-TDS 2.2.5.4 (data types), 2.2.5.5 (TYPE_INFO), "Data types (Transact-SQL)".
"""

import dataclasses
import re
import struct

import pyarrow as pa

from submitter.emulator.sqlserver.errors import SqlError, not_played

COLLATION = bytes.fromhex("0904d00034")  # SQL_Latin1_General_CP1_CI_AS: code page 1252
MAX = -1  # the length of varchar(max) and its kin
MAX_LENGTH_ON_WIRE = 0xFFFF

_ALIASES = {
    "integer": "int",
    "dec": "decimal",
    "numeric": "decimal",  # one type of two names; sqlglot does not tell them apart
    "double": "float",
    "double precision": "float",
    "character": "char",
    "char varying": "varchar",
    "national character": "nchar",
    "datetime2": "datetime2",
    "timestamptz": "datetimeoffset",
    "boolean": "bit",
    "utinyint": "tinyint",
    "rowversion": "timestamp",  # SQL Server's catalogue knows it by its old name
}
_LARGE = {"text": "varchar", "ntext": "nvarchar", "image": "varbinary", "xml": "nvarchar"}

INTEGER_WIDTH = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
CHARACTER = frozenset({"char", "varchar", "nchar", "nvarchar"})
NATIONAL = frozenset({"nchar", "nvarchar"})
BINARY = frozenset({"binary", "varbinary", "timestamp"})
EXACT = frozenset({"decimal", "numeric", "money", "smallmoney"})
DATE_AND_TIME = frozenset({"datetime", "smalldatetime", "datetime2", "datetimeoffset"})
SCALED_TIME = frozenset({"time", "datetime2", "datetimeoffset"})
_PLAIN = ("bit", "real", "date", "smalldatetime", "uniqueidentifier")

_VARIABLE_CODE = {
    "char": 0xAF,
    "varchar": 0xA7,
    "nchar": 0xEF,
    "nvarchar": 0xE7,
    "binary": 0xAD,
    "varbinary": 0xA5,
    "timestamp": 0xAD,
}
_FIXED_INFO = {
    "bit": b"\x68\x01",
    "tinyint": b"\x26\x01",
    "smallint": b"\x26\x02",
    "int": b"\x26\x04",
    "bigint": b"\x26\x08",
    "real": b"\x6d\x04",
    "float": b"\x6d\x08",
    "money": b"\x6e\x08",
    "smallmoney": b"\x6e\x04",
    "datetime": b"\x6f\x08",
    "smalldatetime": b"\x6f\x04",
    "date": b"\x28",
    "uniqueidentifier": b"\x24\x10",
}
# What a column that holds no NULL is announced as: values without a length (MS-TDS 2.2.5.4.1).
_NEVER_NULL_CODE = {
    "tinyint": 0x30,
    "bit": 0x32,
    "smallint": 0x34,
    "int": 0x38,
    "smalldatetime": 0x3A,
    "real": 0x3B,
    "money": 0x3C,
    "datetime": 0x3D,
    "float": 0x3E,
    "smallmoney": 0x7A,
    "bigint": 0x7F,
}
_TIME_CODE = {"time": 0x29, "datetime2": 0x2A, "datetimeoffset": 0x2B}
_DECIMAL_CODE = {"decimal": 0x6A, "numeric": 0x6C}

_ARROW = {
    "bit": pa.bool_(),
    "tinyint": pa.uint8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "float": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "datetime": pa.timestamp("us"),
    "smalldatetime": pa.timestamp("us"),
    "datetime2": pa.timestamp("us"),
    "datetimeoffset": pa.timestamp("us", "UTC"),
    "uniqueidentifier": pa.string(),
}
_DUCKDB = {
    "bit": "BOOLEAN",
    "tinyint": "UTINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "real": "REAL",
    "float": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "datetime": "TIMESTAMP",
    "smalldatetime": "TIMESTAMP",
    "datetime2": "TIMESTAMP",
    "datetimeoffset": "TIMESTAMPTZ",
    "uniqueidentifier": "UUID",
}


@dataclasses.dataclass(frozen=True)
class SqlType:
    """One T-SQL type with its arguments.

    Attributes:
        name: The type's plain name in lower case.
        length: Characters or bytes of a string type, or MAX.
        precision: Digits in all of an exact number.
        scale: Digits after the point, of an exact number or of seconds.
    """

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    @property
    def declaration(self) -> str:
        """The type as T-SQL writes it."""
        if self.name in CHARACTER | BINARY - {"timestamp"}:
            return f"{self.name}({'max' if self.length == MAX else self.length})"
        if self.name in {"decimal", "numeric"}:
            return f"{self.name}({self.precision},{self.scale})"
        if self.name in SCALED_TIME:
            return f"{self.name}({self.scale})"
        return self.name

    @property
    def type_info(self) -> bytes:
        """The TYPE_INFO rule that announces the type in COLMETADATA and RETURNVALUE."""
        if self.name in _FIXED_INFO:
            return _FIXED_INFO[self.name]
        if self.name in _TIME_CODE:
            return bytes([_TIME_CODE[self.name], self.scale])
        if self.name in _DECIMAL_CODE:
            width = decimal_width(self.precision)
            return bytes([_DECIMAL_CODE[self.name], width, self.precision, self.scale])
        length = MAX_LENGTH_ON_WIRE if self.length == MAX else self.length
        if self.name in NATIONAL and self.length != MAX:
            length *= 2
        collation = COLLATION if self.name in CHARACTER else b""
        return struct.pack("<BH", _VARIABLE_CODE[self.name], length) + collation

    @property
    def user_type(self) -> int:
        """The UserType of COLMETADATA, which tells a rowversion from binary(8)."""
        return 0x50 if self.name == "timestamp" else 0  # MS-TDS 2.2.7.4

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that holds a column of this type."""
        if self.name in CHARACTER:
            return pa.large_string()
        if self.name in BINARY:
            return pa.large_binary()
        if self.name in EXACT:
            return pa.decimal128(self.precision, self.scale)
        return _ARROW[self.name]

    @property
    def duckdb(self) -> str:
        """The DuckDB type that stores this type."""
        if self.name in CHARACTER:
            return "VARCHAR"
        if self.name in BINARY:
            return "BLOB"
        if self.name in EXACT:
            return f"DECIMAL({self.precision},{self.scale})"
        return _DUCKDB[self.name]


@dataclasses.dataclass(frozen=True)
class Column:
    """A named, typed column of a table or of a result."""

    name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether its values go without their length: always there, always of one size."""
        return not self.nullable and self.type.name in _NEVER_NULL_CODE

    @property
    def type_info(self) -> bytes:
        """The TYPE_INFO rule that announces the column."""
        return bytes([_NEVER_NULL_CODE[self.type.name]]) if self.is_bare else self.type.type_info


ROW_VERSION = SqlType("timestamp", length=8)
INT = SqlType("int")
BIGINT = SqlType("bigint")
FLOAT = SqlType("float")
BIT = SqlType("bit")
DATE = SqlType("date")
DATETIME = SqlType("datetime", scale=3)
UNIQUEIDENTIFIER = SqlType("uniqueidentifier")


_WITHOUT_ARGUMENTS = {
    **{name: SqlType(name) for name in (*_PLAIN, *INTEGER_WIDTH)},
    "money": SqlType("money", precision=19, scale=4),
    "smallmoney": SqlType("smallmoney", precision=10, scale=4),
    "datetime": DATETIME,
    "timestamp": ROW_VERSION,
    "sysname": SqlType("nvarchar", length=128),
}


def nvarchar(length: int) -> SqlType:
    """Return nvarchar of a length."""
    return SqlType("nvarchar", length=length)


def varchar(length: int) -> SqlType:
    """Return varchar of a length."""
    return SqlType("varchar", length=length)


def decimal_width(precision: int) -> int:
    """Return the bytes of a decimal value, sign included (MS-TDS 2.2.5.5.1.6)."""
    for digits, width in ((9, 5), (19, 9), (28, 13)):
        if precision <= digits:
            return width
    return 17


def time_width(scale: int) -> int:
    """Return the bytes of a time of day (MS-TDS 2.2.5.5.1.8)."""
    for digits, width in ((2, 3), (4, 4)):
        if scale <= digits:
            return width
    return 5


def parse_type(declaration: str, default_length: int = 1) -> SqlType:
    """Read a type as T-SQL declares it.

    Args:
        declaration: Such as ``nvarchar(32)`` or ``decimal(18, 4)``.
        default_length: The length of a string type that names none: 1 in a column or a
            variable, 30 in CAST ("char and varchar (Transact-SQL)").

    Raises:
        SqlError: 2715 for an unknown type, 40000 for one that the emulator does not play.
    """
    match = re.match(r"\s*\[?(\w+)\]?\s*(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?", declaration)
    if match is None:
        raise SqlError(2715, f"Cannot find data type '{declaration.strip()}'.")
    written = match[1].lower()
    first = (match[2] or "").lower()
    if written in _LARGE:
        return SqlType(_LARGE[written], length=MAX)
    name = _ALIASES.get(written, written)
    if name in _WITHOUT_ARGUMENTS:
        return _WITHOUT_ARGUMENTS[name]
    if name in CHARACTER | BINARY:
        return SqlType(name, length=MAX if first == "max" else int(first or default_length))
    if name in {"decimal", "numeric"}:
        return _exact(name, int(first or 18), int(match[3] or 0))
    if name in SCALED_TIME:
        return SqlType(name, scale=int(first or 7))
    if name == "float":
        return SqlType("real" if first and int(first) <= 24 else "float")  # noqa: PLR2004 - ISO
    if name in {"sql_variant", "hierarchyid", "geography", "geometry"}:
        raise not_played(f"the type {name}")
    raise SqlError(2715, f"Cannot find data type {declaration.strip()}.")


def type_of_arrow(arrow: pa.DataType) -> SqlType:  # noqa: C901, PLR0911, PLR0912 - one line a type
    """Return the T-SQL type of an Arrow column that no declaration is known of."""
    kinds = pa.types
    if kinds.is_boolean(arrow):
        return BIT
    if kinds.is_uint8(arrow):
        return SqlType("tinyint")
    if kinds.is_int8(arrow) or kinds.is_int16(arrow):
        return SqlType("smallint")
    if kinds.is_int32(arrow) or kinds.is_uint16(arrow) or kinds.is_null(arrow):
        return INT
    if kinds.is_int64(arrow) or kinds.is_uint32(arrow):
        return BIGINT
    if kinds.is_uint64(arrow):
        return SqlType("decimal", precision=20)
    if kinds.is_float32(arrow) or kinds.is_float16(arrow):
        return SqlType("real")
    if kinds.is_float64(arrow):
        return FLOAT
    if kinds.is_decimal(arrow):
        return _exact("decimal", arrow.precision, arrow.scale)
    if kinds.is_date(arrow):
        return DATE
    if kinds.is_time(arrow):
        return SqlType("time", scale=7)
    if kinds.is_timestamp(arrow):
        return SqlType("datetimeoffset" if arrow.tz else "datetime2", scale=7)
    if kinds.is_binary(arrow) or kinds.is_large_binary(arrow):
        return SqlType("varbinary", length=MAX)
    if kinds.is_dictionary(arrow):
        return type_of_arrow(arrow.value_type)
    if kinds.is_string(arrow) or kinds.is_large_string(arrow) or kinds.is_string_view(arrow):
        return nvarchar(4000)
    raise not_played(f"a result column of the engine's type {arrow}")


def _exact(name: str, precision: int, scale: int) -> SqlType:
    if not 1 <= precision <= 38 or scale > precision:  # noqa: PLR2004 - SQL Server's bounds
        raise SqlError(
            2750, f"Column or parameter: specified column precision {precision} is not valid."
        )
    return SqlType(name, precision=precision, scale=scale)
