"""Columns of type rowversion, as incremental readers use them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from submitter.emulator.sqlserver.catalog import Catalog
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import ResultSet
from submitter.emulator.sqlserver.results import values
from submitter.emulator.sqlserver.row_versions import RowVersions, as_bytes
from submitter.emulator.sqlserver.types import BIGINT, SqlType
from submitter.emulator.sqlserver.variables import Variable

Connect = Callable[[], Interpreter]
WATERMARKS = "SELECT CONVERT(bigint, @@DBTS), CONVERT(bigint, MIN_ACTIVE_ROWVERSION())"


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open sessions on one server with one table of versioned rows."""
    engine, catalog = Engine(), Catalog()
    for name in ("master", "tempdb"):
        engine.create_database(name)
        catalog.add_database(name)
    opened: list[Interpreter] = []

    def open_session() -> Interpreter:
        opened.append(Interpreter(engine, catalog, database="master", login="reader"))
        return opened[-1]

    rows(open_session(), "CREATE TABLE v (id int IDENTITY PRIMARY KEY, a int, rv rowversion)")
    yield open_session
    for session in opened:
        session.close()
    engine.close()


def rows(session: Interpreter, sql: str, **variables: Variable) -> list[tuple[Any, ...]]:
    """Run a batch and return the rows of its results."""
    found: list[tuple[Any, ...]] = []
    for outcome in session.run(sql, variables):
        if isinstance(outcome, ResultSet):
            found.extend(values(outcome.batches))
    return found


def test_inserts_and_updates_take_the_next_numbers(connect: Connect) -> None:
    """Each row has its own, and a changed row has a newer one."""
    session = connect()
    rows(session, "INSERT INTO v (a) VALUES (1), (2) INSERT INTO v VALUES (3)")
    rows(session, "INSERT INTO v DEFAULT VALUES UPDATE v SET a = 9 WHERE id < 3")
    found = rows(session, "SELECT id, rv FROM v ORDER BY rv")
    assert found == [
        (identifier, as_bytes(number))
        for identifier, number in ((3, 2003), (4, 2004), (1, 2005), (2, 2006))
    ]
    assert rows(session, WATERMARKS) == [(2006, 2007)]


def test_a_row_that_a_join_names_twice_takes_one_number(connect: Connect) -> None:
    """UPDATE ... FROM counts rows, not pairs."""
    session = connect()
    rows(session, "INSERT INTO v (a) VALUES (1), (2), (3)")
    rows(session, "UPDATE t SET a = 5 FROM v t JOIN v other ON other.a > 0")
    assert rows(session, "SELECT COUNT(DISTINCT rv) FROM v") == [(3,)]
    assert rows(session, WATERMARKS) == [(2006, 2007)]
    returned = "UPDATE t SET a = 6 OUTPUT inserted.id FROM v t JOIN v other ON other.a > 0"
    assert sorted(rows(session, returned)) == [(1,), (2,), (3,)]
    assert rows(session, "SELECT @@ROWCOUNT") == [(3,)]


@pytest.mark.parametrize(
    "watermark",
    [
        Variable(SqlType("varbinary", length=8), as_bytes(2002)),
        Variable(SqlType("binary", length=8), as_bytes(2002)),
        Variable(BIGINT, 2002),
    ],
)
def test_versions_compare_with_a_watermark_of_any_type(
    connect: Connect, watermark: Variable
) -> None:
    """Bytes compare as bytes; a number is compared as a number."""
    session = connect()
    rows(session, "INSERT INTO v (a) VALUES (1), (2), (3), (4)")
    sql = "SELECT id FROM v WHERE rv > @seen AND rv < MIN_ACTIVE_ROWVERSION() ORDER BY rv"
    assert rows(session, sql, seen=watermark) == [(3,), (4,)]


def test_an_open_transaction_holds_the_lowest_active_version_down(connect: Connect) -> None:
    """Other sessions must not read past what may still appear, until it is decided."""
    writer, other = connect(), connect()
    rows(writer, "BEGIN TRAN INSERT INTO v (a) VALUES (1)")
    rows(other, "INSERT INTO v (a) VALUES (2)")
    assert rows(other, WATERMARKS) == [(2002, 2001)]
    rows(writer, "INSERT INTO v (a) VALUES (3)")
    assert rows(other, WATERMARKS) == [(2003, 2001)]
    rows(writer, "ROLLBACK")
    assert rows(other, WATERMARKS) == [(2003, 2004)]


def test_a_failed_statement_holds_nothing(connect: Connect) -> None:
    """Without a transaction its numbers are free again."""
    session = connect()
    with pytest.raises(SqlError):
        rows(session, "INSERT INTO v (a) VALUES (1 / 0)")
    assert rows(session, WATERMARKS) == [(2000, 2001)]


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("INSERT INTO v (rv) VALUES (0x01)", 273),
        ("UPDATE v SET rv = 0x01", 272),
        ("MERGE v USING v AS w ON v.id = w.id WHEN MATCHED THEN DELETE;", 40000),
        ("ALTER TABLE v ADD second rowversion", 40000),
    ],
)
def test_a_version_cannot_be_set(connect: Connect, sql: str, number: int) -> None:
    """The server alone gives them out."""
    with pytest.raises(SqlError) as caught:
        rows(connect(), sql)
    assert caught.value.number == number


def test_whole_numbers_and_bytes_convert_both_ways(connect: Connect) -> None:
    """The highest byte comes first, as SQL Server has it."""
    sql = "SELECT CAST(CAST(2001 AS bigint) AS binary(8)), CAST(258 AS varbinary(8)), "
    sql += "CAST(0x0000000000000102 AS bigint), CAST(258 AS binary(1))"
    assert rows(connect(), sql) == [(as_bytes(2001), b"\0\0\1\2", 258, b"\2")]


def test_the_catalogue_calls_it_timestamp(connect: Connect) -> None:
    """That is SQL Server's own name for the type."""
    sql = "SELECT system_type_id, max_length, is_nullable FROM sys.columns WHERE name = 'rv'"
    assert rows(connect(), sql) == [(189, 8, False)]


def test_numbers_of_two_transactions_are_held_apart() -> None:
    """The counter itself, without a session."""
    versions = RowVersions()
    with versions.numbering("one") as (first, used):
        used(2)
    with versions.numbering("two") as (second, used):
        used(1)
    assert (first, second) == (2001, 2003)
    assert versions.lowest_active == as_bytes(2001)
    versions.release("one")
    assert versions.lowest_active == as_bytes(2003)
    versions.release("two")
    assert (versions.last, versions.lowest_active) == (as_bytes(2003), as_bytes(2004))
