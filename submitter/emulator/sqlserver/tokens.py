"""The tokens of a reply, each as bytes (MS-TDS 2.2.7)."""

import enum
import struct
from collections.abc import Sequence

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.types import COLLATION, Column

SERVER_NAME = "EMULATOR"
VERSION = (16, 0, 4135)  # SQL Server 2022
PROGRAM = "Microsoft SQL Server"


class Done(enum.IntEnum):
    """The three DONE tokens: of a batch, of a procedure, of a statement in a procedure."""

    BATCH = 0xFD
    PROCEDURE = 0xFE
    IN_PROCEDURE = 0xFF


class Status(enum.IntFlag):
    """The status bits of a DONE token (MS-TDS 2.2.7.6)."""

    FINAL = 0x00
    MORE = 0x01
    ERROR = 0x02
    IN_TRANSACTION = 0x04
    COUNT = 0x10
    ATTENTION = 0x20


class Command(enum.IntEnum):
    """What a DONE token's row count is about; drivers only look at whether it is a query."""

    NONE = 0x00
    SELECT = 0xC1
    INSERT = 0xC3
    DELETE = 0xC4
    UPDATE = 0xC5
    MERGE = 0x117
    PROCEDURE = 0xE0


class Change(enum.IntEnum):
    """The kinds of ENVCHANGE (MS-TDS 2.2.7.9)."""

    DATABASE = 1
    LANGUAGE = 2
    PACKET_SIZE = 4
    COLLATION = 7
    BEGIN_TRANSACTION = 8
    COMMIT_TRANSACTION = 9
    ROLLBACK_TRANSACTION = 10
    RESET_ACKNOWLEDGED = 18


def done(token: Done, status: Status, command: Command = Command.NONE, row_count: int = 0) -> bytes:
    """Return the token that ends a statement."""
    return struct.pack("<BHHQ", token, status, command, row_count)


def error(problem: SqlError) -> bytes:
    """Return an ERROR token."""
    return _message(0xAA, problem.number, problem.message, problem.severity, problem.state)


def info(number: int, text: str, *, severity: int = 0, state: int = 1) -> bytes:
    """Return an INFO token: a message that is no error, such as PRINT's."""
    return _message(0xAB, number, text, severity, state)


def change(kind: Change, new: str, old: str) -> bytes:
    """Return an ENVCHANGE token of texts."""
    return _with_length(0xE3, bytes([kind]) + short_text(new) + short_text(old))


def change_of_bytes(kind: Change, new: bytes, old: bytes = b"") -> bytes:
    """Return an ENVCHANGE token of bytes: collations and transaction descriptors."""
    values = bytes([len(new)]) + new + bytes([len(old)]) + old
    return _with_length(0xE3, bytes([kind]) + values)


def collation_change() -> bytes:
    """Return the ENVCHANGE that names the server's collation."""
    return change_of_bytes(Change.COLLATION, COLLATION)


def login_acknowledgement(protocol_version: int) -> bytes:
    """Return the LOGINACK token; the version is big-endian there (MS-TDS 2.2.7.14)."""
    body = b"\x01" + struct.pack(">I", protocol_version) + short_text(PROGRAM + "\0\0")
    return _with_length(0xAD, body + struct.pack(">BBH", *VERSION))


def feature_acknowledgements(features: Sequence[tuple[int, bytes]]) -> bytes:
    """Return the FEATUREEXTACK token."""
    parts = [struct.pack("<BI", identifier, len(data)) + data for identifier, data in features]
    return b"\xae" + b"".join(parts) + b"\xff"


def column_metadata(columns: Sequence[Column]) -> bytes:
    """Return the COLMETADATA token that announces a result."""
    parts = [struct.pack("<BH", 0x81, len(columns))]
    for column in columns:
        flags = (0x01 if column.nullable else 0) | (0x10 if column.identity else 0x08)
        parts.append(struct.pack("<IH", column.type.user_type, flags) + column.type_info)
        parts.append(short_text(column.name[:128]))
    return b"".join(parts)


def return_status(value: int) -> bytes:
    """Return a procedure's RETURNSTATUS token."""
    return struct.pack("<Bi", 0x79, value)


def return_integer(ordinal: int, name: str, value: int) -> bytes:
    """Return the RETURNVALUE token of an integer output parameter."""
    head = struct.pack("<BH", 0xAC, ordinal) + short_text(name) + b"\x01"
    return head + struct.pack("<IH", 0, 0) + b"\x26\x04\x04" + struct.pack("<i", value)


def short_text(text: str) -> bytes:
    """Return a B_VARCHAR."""
    encoded = text.encode("utf-16-le")
    return bytes([len(encoded) // 2]) + encoded


def _message(token: int, number: int, text: str, severity: int, state: int) -> bytes:
    encoded = text[:2000].encode("utf-16-le")
    body = struct.pack("<iBB", number, state, severity)
    body += struct.pack("<H", len(encoded) // 2) + encoded
    body += short_text(SERVER_NAME) + short_text("") + struct.pack("<I", 1)
    return _with_length(token, body)


def _with_length(token: int, body: bytes) -> bytes:
    return struct.pack("<BH", token, len(body)) + body
