"""Reading one parameter of a remote procedure call: TYPE_INFO, then its value.

Source: MS-TDS 2.2.6.6 (RPC request) and 2.2.5.5 (TYPE_INFO).
"""

import dataclasses
import datetime as dt
import decimal
import struct
import uuid
from collections.abc import Callable
from typing import Any

from submitter.emulator.sqlserver.errors import not_played
from submitter.emulator.sqlserver.types import (
    BIT,
    INTEGER_WIDTH,
    MAX,
    MAX_LENGTH_ON_WIRE,
    SqlType,
    time_width,
)
from submitter.emulator.sqlserver.wire import Reader

_NULL_LENGTH = 0xFFFF
_EXACT = decimal.Context(prec=60)
_DATETIME_EPOCH = dt.datetime(1900, 1, 1)  # noqa: DTZ001 - datetime has no zone
_FIRST_DAY = dt.date(1, 1, 1).toordinal()

_INTEGER_OF_WIDTH = {width: name for name, width in INTEGER_WIDTH.items()}
_FIXED = {0x30: "tinyint", 0x34: "smallint", 0x38: "int", 0x7F: "bigint"}
_CHARACTER = {0xE7: "nvarchar", 0xEF: "nchar", 0xA7: "varchar", 0xAF: "char"}
_BINARY = {0xA5: "varbinary", 0xAD: "binary"}
_LARGE = {0x22: "varbinary", 0x23: "varchar", 0x63: "nvarchar"}
_TIMES = {0x29: "time", 0x2A: "datetime2", 0x2B: "datetimeoffset"}
_EXACT_NAMES = {0x6A: "decimal", 0x6C: "numeric"}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter as the client sent it; its value stays out of the repr, and so of any log."""

    name: str
    is_output: bool
    type: SqlType
    value: Any = dataclasses.field(repr=False)


def read_parameter(reader: Reader) -> Parameter:
    """Read a parameter's name, status, type and value."""
    name = reader.short_text()
    status = reader.unsigned(1)
    sql_type, value = read_value(reader)
    return Parameter(name, bool(status & 0x01), sql_type, value)


def read_value(reader: Reader) -> tuple[SqlType, Any]:  # noqa: PLR0911 - one return a type family
    """Read a type and a value of it; None is NULL."""
    code = reader.unsigned(1)
    if code in _FIXED:
        sql_type = SqlType(_FIXED[code])
        width = INTEGER_WIDTH[sql_type.name]
        return sql_type, int.from_bytes(reader.raw(width), "little", signed=width > 1)
    if code == 0x32:  # noqa: PLR2004 - BITTYPE
        return BIT, bool(reader.unsigned(1))
    if code in _CHARACTER or code in _BINARY:
        return _string(reader, code)
    if code in _LARGE:
        return _large(reader, code)
    if code in _TIMES:
        return _time(reader, _TIMES[code])
    if code in _EXACT_NAMES:
        return _decimal(reader, _EXACT_NAMES[code])
    if code == 0x28:  # noqa: PLR2004 - DATENTYPE
        present = reader.unsigned(1)
        return SqlType("date"), _date(reader.raw(3)) if present else None
    if code in _NULLABLE:
        return _nullable(reader, code)
    if code == 0xF3:  # noqa: PLR2004 - TVPTYPE
        raise not_played("table-valued parameters")
    raise not_played(f"parameters of the type 0x{code:02x}")


def _nullable(reader: Reader, code: int) -> tuple[SqlType, Any]:
    """A maximum length, then the length of the value; 0 is NULL."""
    sql_type = _NULLABLE[code](reader.unsigned(1))
    length = reader.unsigned(1)
    if length == 0:
        return sql_type, None
    return sql_type, _DECODERS[code](reader.raw(length))


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=len(raw) > 1)


def _float(raw: bytes) -> float:
    value: float = struct.unpack("<f" if len(raw) == 4 else "<d", raw)[0]  # noqa: PLR2004 - bytes
    return value


def _money(raw: bytes) -> decimal.Decimal:
    """Money's high word comes first (MS-TDS 2.2.5.5.1.4)."""
    ordered = raw if len(raw) == 4 else raw[4:] + raw[:4]  # noqa: PLR2004 - smallmoney's bytes
    return decimal.Decimal(int.from_bytes(ordered, "little", signed=True)).scaleb(-4)


def _datetime(raw: bytes) -> dt.datetime:
    if len(raw) == 4:  # noqa: PLR2004 - smalldatetime's bytes
        days, minutes = struct.unpack("<HH", raw)
        return _DATETIME_EPOCH + dt.timedelta(days=days, minutes=minutes)
    days, ticks = struct.unpack("<iI", raw)
    # A three-hundredth of a second, shown to the millisecond as SQL Server does.
    milliseconds = (ticks * 10 + 1) // 3
    return _DATETIME_EPOCH + dt.timedelta(days=days, milliseconds=milliseconds)


_NULLABLE: dict[int, Callable[[int], SqlType]] = {
    0x26: lambda width: SqlType(_INTEGER_OF_WIDTH[width]),
    0x68: lambda _: BIT,
    0x6D: lambda width: SqlType("real" if width == 4 else "float"),  # noqa: PLR2004 - bytes
    0x24: lambda _: SqlType("uniqueidentifier"),
    0x6F: lambda width: SqlType("smalldatetime" if width == 4 else "datetime"),  # noqa: PLR2004
    0x6E: lambda width: (
        SqlType("smallmoney", precision=10, scale=4)
        if width == 4  # noqa: PLR2004 - bytes
        else SqlType("money", precision=19, scale=4)
    ),
}
_DECODERS: dict[int, Callable[[bytes], Any]] = {
    0x26: _integer,
    0x68: lambda raw: raw != b"\0",
    0x6D: _float,
    0x24: lambda raw: uuid.UUID(bytes_le=raw),
    0x6F: _datetime,
    0x6E: _money,
}


def _decimal(reader: Reader, name: str) -> tuple[SqlType, decimal.Decimal | None]:
    _, precision, scale, length = reader.raw(4)
    sql_type = SqlType(name, precision=precision, scale=scale)
    if length == 0:
        return sql_type, None
    raw = reader.raw(length)
    magnitude = int.from_bytes(raw[1:], "little")
    return sql_type, decimal.Decimal(magnitude if raw[0] else -magnitude).scaleb(-scale, _EXACT)


def _time(reader: Reader, name: str) -> tuple[SqlType, Any]:
    scale = reader.unsigned(1)
    sql_type = SqlType(name, scale=scale)
    length = reader.unsigned(1)
    if length == 0:
        return sql_type, None
    raw = reader.raw(length)
    width = time_width(scale)
    ticks = int.from_bytes(raw[:width], "little") * 10 ** (7 - scale)
    since_midnight = dt.timedelta(microseconds=ticks // 10)
    if name == "time":
        moment = dt.datetime(1, 1, 1) + since_midnight  # noqa: DTZ001 - a time of day
        return sql_type, moment.time()
    day = _date(raw[width : width + 3])
    value = dt.datetime.combine(day, dt.time()) + since_midnight
    if name == "datetimeoffset":  # the wire holds UTC and the zone's minutes
        zone = dt.timezone(
            dt.timedelta(minutes=int.from_bytes(raw[width + 3 :], "little", signed=True))
        )
        value = value.replace(tzinfo=dt.timezone.utc).astimezone(zone)
    return sql_type, value


def _date(raw: bytes) -> dt.date:
    return dt.date.fromordinal(int.from_bytes(raw, "little") + _FIRST_DAY)


def _string(reader: Reader, code: int) -> tuple[SqlType, str | bytes | None]:
    name = _CHARACTER.get(code) or _BINARY[code]
    longest = reader.unsigned(2)
    if code in _CHARACTER:
        reader.raw(5)  # collation
    if longest == MAX_LENGTH_ON_WIRE:
        return SqlType(name, length=MAX), _decode(name, reader.chunked())
    length = reader.unsigned(2)
    raw = None if length == _NULL_LENGTH else reader.raw(length)
    characters = longest // 2 if name.startswith("n") else longest
    return SqlType(name, length=max(characters, 1)), _decode(name, raw)


def _large(reader: Reader, code: int) -> tuple[SqlType, str | bytes | None]:
    """Read text, ntext or image, which old clients send."""
    name = _LARGE[code]
    reader.raw(4)
    if name != "varbinary":
        reader.raw(5)  # collation
    length = reader.signed(4)
    return SqlType(name, length=MAX), _decode(name, None if length < 0 else reader.raw(length))


def _decode(name: str, raw: bytes | None) -> str | bytes | None:
    if raw is None or name in {"binary", "varbinary"}:
        return raw
    return raw.decode("utf-16-le" if name.startswith("n") else "cp1252", "replace")
