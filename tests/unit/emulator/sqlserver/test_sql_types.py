"""Types: declaration, wire form, and what follows for expressions."""

import pytest

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.precedence import arithmetic_type, common_type
from submitter.emulator.sqlserver.types import SqlType, parse_type


@pytest.mark.parametrize(
    "declaration",
    [
        "bit", "tinyint", "bigint", "real", "float", "money", "date", "datetime", "time(3)",
        "datetime2(7)", "datetimeoffset(0)", "decimal(38,10)", "char(5)", "nchar(7)",
        "varchar(8000)", "nvarchar(max)", "binary(4)", "varbinary(max)", "uniqueidentifier",
    ],
)  # fmt: skip
def test_a_declaration_is_read_and_written_alike(declaration: str) -> None:
    """Round trip through the type."""
    assert parse_type(declaration).declaration == declaration


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("NUMERIC", "decimal(18,0)"),
        ("float(24)", "real"),
        ("[nvarchar] (12)", "nvarchar(12)"),
        ("sysname", "nvarchar(128)"),
        ("ntext", "nvarchar(max)"),
        ("datetime2", "datetime2(7)"),
        ("varchar", "varchar(1)"),
    ],
)
def test_synonyms_and_defaults_are_sql_servers(declaration: str, expected: str) -> None:
    """What is left out has SQL Server's default."""
    assert parse_type(declaration).declaration == expected


@pytest.mark.parametrize(("declaration", "number"), [("nonsense", 2715), ("sql_variant", 40000)])
def test_other_types_are_refused(declaration: str, number: int) -> None:
    """Unknown and unplayed types are told apart."""
    with pytest.raises(SqlError) as caught:
        parse_type(declaration)
    assert caught.value.number == number


def test_type_info_follows_the_specification() -> None:
    """Bytes of MS-TDS 2.2.5.5."""
    assert parse_type("decimal(18,4)").type_info == bytes([0x6A, 9, 18, 4])
    assert parse_type("nvarchar(10)").type_info == b"\xe7\x14\x00\x09\x04\xd0\x00\x34"
    assert parse_type("varbinary(max)").type_info == b"\xa5\xff\xff"
    assert parse_type("datetime2(3)").type_info == b"\x2a\x03"


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("/", "int", "int", "int"),
        ("+", "tinyint", "bigint", "bigint"),
        ("+", "decimal(10,2)", "decimal(5,3)", "decimal(12,3)"),
        ("*", "decimal(10,2)", "int", "decimal(21,2)"),
        ("/", "decimal(10,2)", "decimal(5,2)", "decimal(18,8)"),
        ("/", "decimal(38,10)", "decimal(38,10)", "decimal(38,6)"),
        ("+", "float", "decimal(5,2)", "float"),
    ],
)
def test_arithmetic_has_sql_servers_precision(
    operator: str, left: str, right: str, expected: str
) -> None:
    """The formulas of "Precision, scale, and length"."""
    found = arithmetic_type(operator, parse_type(left), parse_type(right))
    assert found is not None
    assert found.declaration == expected


def test_the_common_type_is_of_the_highest_precedence() -> None:
    """NULLs do not count."""
    assert common_type([SqlType("int"), None, SqlType("float")]) == SqlType("float")
    merged = common_type([parse_type("varchar(5)"), parse_type("nvarchar(3)")])
    assert merged is not None
    assert merged.declaration == "nvarchar(5)"
