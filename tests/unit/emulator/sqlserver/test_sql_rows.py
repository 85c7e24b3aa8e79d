"""Rows: what is encoded is what the specification says, value for value."""

import datetime as dt
import decimal
import time
import uuid
from typing import Any

import pyarrow as pa
import pytest

from submitter.emulator.sqlserver.rows import encode
from submitter.emulator.sqlserver.types import Column, parse_type
from submitter.emulator.sqlserver.values import read_value
from submitter.emulator.sqlserver.wire import Reader

IDENTIFIER = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59, 123000)  # noqa: DTZ001 - T-SQL has no zone here

VALUES: list[tuple[str, list[Any]]] = [
    ("bit", [True, None, False]),
    ("tinyint", [0, 255]),
    ("smallint", [-(2**15), 2**15 - 1, None]),
    ("int", [-(2**31), 2**31 - 1]),
    ("bigint", [-(2**63), 2**63 - 1]),
    ("real", [0.5, -0.25, None]),
    ("float", [1e308, -1e-308]),
    ("decimal(5,2)", [decimal.Decimal("-999.99"), None]),
    ("decimal(38,0)", [decimal.Decimal(10**38 - 1), decimal.Decimal(1 - 10**38)]),
    ("money", [decimal.Decimal("-922337203685477.5808"), decimal.Decimal("0.0001")]),
    ("smallmoney", [decimal.Decimal("-214748.3648"), None]),
    ("date", [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    ("time(7)", [dt.time(0, 0), dt.time(23, 59, 59, 999999)]),
    ("time(0)", [dt.time(12, 34, 56)]),
    ("datetime", [MOMENT, None]),
    ("datetime2(3)", [MOMENT]),
    ("datetime2(7)", [MOMENT.replace(microsecond=123456)]),
    ("smalldatetime", [MOMENT.replace(second=0, microsecond=0)]),
    ("datetimeoffset(7)", [MOMENT.replace(tzinfo=dt.timezone.utc), None]),
    ("uniqueidentifier", [IDENTIFIER, None]),
    ("varchar(20)", ["naïve €", "", None]),
    ("nvarchar(20)", ["漢字 😀", "", None]),
    ("nvarchar(max)", ["漢" * 5000, "", None]),
    ("varchar(max)", [None, "x" * 70_000]),
    ("varbinary(max)", [b"\0\1", b"", None]),
    ("varbinary(9)", [b"", None, b"abc"]),
]


@pytest.mark.parametrize(("declaration", "values"), VALUES)
def test_a_reader_of_the_specification_reads_what_was_written(
    declaration: str, values: list[Any]
) -> None:
    """Every value comes back equal, and NULLs through the bitmap."""
    sql_type = parse_type(declaration)
    stored = [str(value) if isinstance(value, uuid.UUID) else value for value in values]
    column = Column("c", sql_type)
    batch = pa.RecordBatch.from_arrays([pa.array(stored, sql_type.arrow)], names=["c"])
    data = encode([column], batch)
    position = 0
    for value in values:
        if value is None:
            assert data[position : position + 2] == b"\xd2\x01"
            position += 2
            continue
        assert data[position] == 0xD1
        reader = Reader(sql_type.type_info + data[position + 1 :])
        _, found = read_value(reader)
        assert found == value
        position += 1 + reader.position - len(sql_type.type_info)
    assert position == len(data)


def test_char_and_binary_are_padded() -> None:
    """Fixed lengths are filled up: blanks and zeros."""
    columns = [Column("a", parse_type("char(4)")), Column("b", parse_type("binary(3)"))]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["ab"], pa.large_string()), pa.array([b"x"], pa.large_binary())], names=["a", "b"]
    )
    assert encode(columns, batch) == b"\xd1\x04\x00ab  \x03\x00x\0\0"


def test_slices_are_encoded_as_what_they_show() -> None:
    """An Arrow slice shares its buffers with rows that are not in it."""
    columns = [Column("a", parse_type("int")), Column("b", parse_type("nvarchar(5)"))]
    whole = pa.RecordBatch.from_arrays(
        [pa.array([1, 2, None, 4], pa.int32()), pa.array(["a", "é", "c", None])], names=["a", "b"]
    )
    parts = b"".join(encode(columns, whole.slice(start, 1)) for start in range(4))
    assert parts == encode(columns, whole)


def test_a_million_simple_rows_take_a_moment() -> None:
    """Encoding runs a column at a time; a loop over rows would take ten times the bound."""
    count = 200_000
    columns = [
        Column("a", parse_type("int")),
        Column("b", parse_type("float")),
        Column("c", parse_type("datetime2(7)")),
    ]
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(range(count), pa.int32()),
            pa.array([1.5] * count),
            pa.array([MOMENT] * count, pa.timestamp("us")),
        ],
        names=["a", "b", "c"],
    )
    started = time.perf_counter()
    encode(columns, batch)
    assert time.perf_counter() - started < 1.0
