"""A caller's own connection: parameters are bound, errors explained, rows read in steps."""

import datetime as dt
import decimal
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine, create_engine, event

from remote_entry.errors import SqlError
from remote_entry.reading.bound_parameters import positional
from remote_entry.reading.describe import Declaration
from remote_entry.reading.over_mssql_python import can_carry
from remote_entry.reading.result_types import INSTANT, schema_of_description
from remote_entry.reading.ways import open_given
from remote_entry.sql.odbc import connection_string, split_connection_string

MANY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n"
)


@pytest.fixture
def engine() -> Engine:
    """Return an engine on an empty in-memory database: the dialect does not matter here."""
    return create_engine("sqlite://", hide_parameters=True)


def values(engine: Engine, sql: str, params: Any) -> list[dict[str, Any]]:
    """Return a query's rows."""
    rows: list[dict[str, Any]] = open_given(engine, sql, params, 10).read_all().to_pylist()
    return rows


def test_parameters_are_bound_by_name_or_by_place(engine: Engine) -> None:
    """A value that looks like SQL stays a value."""
    evil = "'; DROP TABLE flights; --"
    assert values(engine, "SELECT :value AS v", {"value": evil}) == [{"v": evil}]
    assert values(engine, "SELECT ? AS v", [evil]) == [{"v": evil}]


def test_text_without_parameters_is_sent_as_it_is(engine: Engine) -> None:
    """Colons, question marks and percent signs mean nothing then."""
    assert values(engine, "SELECT '12:30 :x ? %s' AS v", None) == [{"v": "12:30 :x ? %s"}]


def test_names_become_places() -> None:
    """As ODBC has it: in the order of the text, as often as there, and not within quotes."""
    text, bound = positional("SELECT :b, :a, :b, '50%', 'a\\:b'", {"a": 1, "b": 2})
    assert text == "SELECT ?, ?, ?, '50%', 'a:b'"
    assert bound == (2, 1, 2)
    assert positional("SELECT ':x ?'", None) == ("SELECT ':x ?'", ())
    assert positional("SELECT ?", ["one"]) == ("SELECT ?", ("one",))


def test_open_connection_stays_open(engine: Engine) -> None:
    """A caller's connection, and its temporary tables, outlive the query."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE flights (origin TEXT)")
        with open_given(connection, "SELECT origin FROM flights", None, 10) as batches:
            assert batches.schema.names == ["origin"]
            assert list(batches) == []
        assert not connection.closed


def test_rows_come_in_steps_and_closing_gives_the_connection_back(engine: Engine) -> None:
    """No more than the asked number at once; what is not read is let go."""
    given_back: list[object] = []
    event.listen(engine, "checkin", lambda *_: given_back.append(1))
    with open_given(engine, MANY, None, 30) as batches:
        assert next(batches).num_rows == 30
        assert not given_back
    assert given_back
    assert list(batches) == []
    assert [batch.num_rows for batch in open_given(engine, MANY, None, 40)] == [40, 40, 20]
    assert len(given_back) == 2


def test_batches_are_an_arrow_stream(engine: Engine) -> None:
    """Whatever takes the PyCapsule protocol takes them."""
    batches = open_given(engine, MANY, None, 30)
    assert pa.RecordBatchReader.from_stream(batches).read_all().num_rows == 100


def test_refused_query_says_what_the_server_said(engine: Engine) -> None:
    """The error holds neither the parameters nor SQLAlchemy's frames."""
    with pytest.raises(SqlError, match="no such table: nowhere") as caught:
        values(engine, "SELECT * FROM nowhere WHERE a = :a", {"a": "canary"})
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("types", "bounded"),
    [
        (("int", "nvarchar(4000)", "datetime2(7)", "decimal(38,10)"), True),
        (("int", "nvarchar(max)"), False),
        (("datetimeoffset(7)",), False),
        (("xml",), False),
        (("",), False),
        ((), False),
    ],
)
def test_bounded_columns_are_told_by_their_declaration(
    types: tuple[str, ...], *, bounded: bool
) -> None:
    """A type that is not known to be harmless is not, such as one of the CLR."""
    assert Declaration(types, ("a",)).is_plain is bounded
    assert not Declaration(types, ("é",)).is_plain


def test_pyodbc_describes_most_of_a_type() -> None:
    """Widths, digits and max come from the description; a datetimeoffset is a text with a scale."""
    entries = [
        ("a", int, None, 3, 3, 0, False),
        ("b", int, None, 19, 19, 0, True),
        ("c", float, None, 24, 24, 0, True),
        ("d", decimal.Decimal, None, 19, 19, 4, True),
        ("e", str, None, 0, 0, 0, True),
        ("f", str, None, 34, 34, 7, True),
        ("g", dt.datetime, None, 27, 27, 7, True),
        ("h", None, None, None, None, None, None),
    ]
    schema = schema_of_description(entries)
    assert schema.types == [
        pa.uint8(), pa.int64(), pa.float32(), pa.decimal128(19, 4), pa.large_string(), INSTANT,
        pa.timestamp("us"), pa.null(),
    ]  # fmt: skip
    assert [field.nullable for field in schema] == [False, *[True] * 7]


def test_connection_strings_are_split_as_they_were_joined() -> None:
    """Braces, semicolons and equals signs in a password are part of it."""
    attributes = {"UID": "reader", "PWD": "p;{w}@d=1 }}'", "Encrypt": "yes"}
    assert split_connection_string(connection_string(attributes)) == attributes
    plain = "Driver={ODBC Driver 18};Server=tcp:h,1433; Database = d ;Pwd=a=b;"
    assert split_connection_string(plain) == {
        "Driver": "ODBC Driver 18", "Server": "tcp:h,1433", "Database": "d", "Pwd": "a=b",
    }  # fmt: skip
    assert split_connection_string("UID=first;uid=second") == {"UID": "first"}


def test_what_mssql_python_cannot_carry_is_told() -> None:
    """The portal's connection string it can; a data source's name it cannot."""
    portal = (
        "Driver={ODBC Driver 18 for SQL Server};Server=tcp:h,1433;Database=d;Uid=u;Pwd={p};"
        "Encrypt=yes;TrustServerCertificate=no;Connection Timeout=30;"
    )
    assert can_carry(portal)
    assert not can_carry("DSN=warehouse;UID=u;PWD=p")
