"""T-SQL through the interpreter: what SQL Server would answer, or a refusal."""

import datetime as dt
import decimal
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from submitter.emulator.sqlserver.catalog import Catalog
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import Notice, Pause, ResultSet, RowsChanged
from submitter.emulator.sqlserver.results import values
from submitter.emulator.sqlserver.types import INT, nvarchar
from submitter.emulator.sqlserver.variables import Variable


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[Engine, Catalog]]:
    """Make an engine with two databases."""
    engine, catalog = Engine(), Catalog()
    for name in ("master", "tempdb", "train"):
        engine.create_database(name)
        catalog.add_database(name)
    yield engine, catalog
    engine.close()


@pytest.fixture
def session(store: tuple[Engine, Catalog]) -> Iterator[Interpreter]:
    """Open a session."""
    opened = Interpreter(*store, database="train", login="reader", host="a laptop")
    yield opened
    opened.close()


def rows(session: Interpreter, sql: str, **variables: Variable) -> list[tuple[Any, ...]]:
    """Run a batch and return the rows of its results, one after the other."""
    found: list[tuple[Any, ...]] = []
    for outcome in session.run(sql, variables):
        if isinstance(outcome, ResultSet):
            found.extend(values(outcome.batches))
    return found


def types(session: Interpreter, sql: str) -> list[str]:
    """Return the declared types of a query's columns."""
    (result,) = [outcome for outcome in session.run(sql) if isinstance(outcome, ResultSet)]
    return [column.type.declaration for column in result.columns]


def number(session: Interpreter, sql: str) -> int:
    """Return the number of the error that a batch ends in."""
    with pytest.raises(SqlError) as caught:
        rows(session, sql)
    return caught.value.number


HASH = "HASHBYTES('SHA2_256', "


def digest_of(value: str | bytes) -> bytes:
    """Return the first four bytes of what SQL Server makes of a value."""
    content = value.encode("utf-16-le") if isinstance(value, str) else value
    return hashlib.sha256(content).digest()[:4]


MOMENT = "CAST('2024-02-29T13:14:15.678' AS datetime2(3))"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 % 3", 1),
        ("7 / 2.0", decimal.Decimal("3.500000")),
        ("'a' + N'b' + 'c'", "abc"),
        ("'1' + 1", 2),
        ("CAST(2.9 AS int)", 2),
        ("CAST(-2.9 AS int)", -2),
        ("CAST('abcdef' AS varchar(3))", "abc"),
        ("CAST(CAST(1 AS bit) AS varchar(5))", "1"),
        ("CAST(CAST(9.876 AS money) AS varchar(9))", "9.88"),
        ("TRY_CAST('x' AS int)", None),
        ("CONVERT(varchar(10), CAST('20240229' AS date), 103)", "29/02/2024"),
        (f"CONVERT(varchar(30), {MOMENT}, 121)", "2024-02-29 13:14:15.678"),
        (f"CONVERT(varchar(8), {MOMENT}, 112)", "20240229"),
        ("CAST('02/03/2024' AS date)", dt.date(2024, 2, 3)),
        ("CASE WHEN 'ABC' = 'abc' THEN 1 ELSE 0 END", 1),
        ("CASE WHEN 'ABC' LIKE 'a%' THEN 1 ELSE 0 END", 1),
        ("LEN('ab  ')", 2),
        ("DATALENGTH(N'ab')", 4),
        ("CHARINDEX('B', 'abc')", 2),
        ("REPLACE('aBc', 'b', 'x\\')", "ax\\c"),
        ("STUFF('abcdef', 2, 3, 'X')", "aXef"),
        ("SUBSTRING('abc', 0, 2)", "a"),
        ("ISNULL(NULL, 5)", 5),
        ("IIF(1 = 2, 'a', 'b')", "b"),
        ("COALESCE(NULL, NULL, 3)", 3),
        (f"DATEPART(weekday, {MOMENT})", 5),
        (f"DATEPART(week, {MOMENT})", 9),
        (f"DATEPART(iso_week, {MOMENT})", 9),
        (f"DATEPART(ms, {MOMENT})", 678),
        (f"DATENAME(month, {MOMENT})", "February"),
        (f"DATEADD(month, 12, CAST({MOMENT} AS date))", dt.date(2025, 2, 28)),
        ("DATEDIFF(year, '2023-12-31', '2024-01-01')", 1),
        ("DATEDIFF(week, '2024-03-02', '2024-03-03')", 1),
        ("EOMONTH('2024-02-01')", dt.date(2024, 2, 29)),
        ("DB_NAME()", "train"),
        ("SUSER_SNAME()", "reader"),
        ("ORIGINAL_LOGIN()", "reader"),
        ("HOST_NAME()", "a laptop"),
        ("SERVERPROPERTY('EngineEdition')", "3"),
        ("OBJECT_ID('no_such_table')", None),
        ("@@TRANCOUNT", 0),
        ("DATALENGTH(N'a😀')", 6),
        ("SUBSTRING(0x0102030405, 2, 3)", b"\x02\x03\x04"),
        ("CAST(SUBSTRING(0x0102030405, 1, 4) AS bigint)", 16909060),
        ("SUBSTRING(HASHBYTES('SHA2_256', N'abc'), 1, 4)", bytes.fromhex("13e22856")),
        ("SUBSTRING(HASHBYTES('sha2_256', 0x616263), 1, 4)", bytes.fromhex("ba7816bf")),
        ("CAST(CAST('a' AS char(3)) AS nvarchar(max)) + '|'", "a  |"),
        (f"SUBSTRING({HASH}CAST(N'ab' AS nchar(3))), 1, 4)", digest_of("ab ")),
        (f"SUBSTRING({HASH}CAST(0xFF AS binary(2))), 1, 4)", digest_of(b"\xff\0")),
        ("DATALENGTH(CAST(0xFF AS binary(2)))", 2),
    ],
)
def test_an_expression_has_sql_servers_value(
    session: Interpreter, expression: str, expected: Any
) -> None:
    """Where the engine would answer otherwise, the translation makes it right."""
    assert rows(session, f"SELECT {expression}") == [(expected,)]


LIKE_CASES = [
    ("bcd", "[a-c]%", None, True),
    ("BCD", "[a-c]%", None, True),
    ("xcd", "[a-c]%", None, False),
    ("bcd", "[^a-c]%", None, False),
    ("5%", "%[%]", None, True),
    ("50", "%[%]", None, False),
    ("a[b", "a[[]b", None, True),
    ("a.b", "a[.]b", None, True),
    ("axb", "a.[b]", None, False),
    ("two\nlines", "t%[s]", None, True),
    ("a\\b", "a[\\]b", None, True),
    ("x", "[x", None, False),
    ("a_b", "a!_b", "!", True),
    ("axb", "a!_b", "!", False),
    ("a_b[", "a!_b![", "!", True),
    ("axb[", "a!_b![", "!", False),
]


@pytest.mark.parametrize(("text", "pattern", "escape", "expected"), LIKE_CASES)
def test_like_knows_sets_and_escapes(
    session: Interpreter, text: str, pattern: str, escape: str | None, *, expected: bool
) -> None:
    """A pattern means the same, written out or bound."""
    escaped = f" ESCAPE '{escape}'" if escape else ""
    for written, variables in (
        (f"'{pattern}'", {}),
        ("@pattern", {"pattern": Variable(nvarchar(20), pattern)}),
    ):
        sql = f"SELECT CASE WHEN @text LIKE {written}{escaped} THEN 1 ELSE 0 END"
        found = rows(session, sql, text=Variable(nvarchar(20), text), **variables)
        assert found == [(int(expected),)], sql


def test_like_heeds_the_collation(session: Interpreter) -> None:
    """A binary collation tells upper from lower case, with and without a set."""
    for pattern, expected in (("A%", 1), ("a%", 0), ("[A]%", 1), ("[a]%", 0)):
        sql = f"CASE WHEN 'Abc' COLLATE Latin1_General_BIN LIKE '{pattern}' THEN 1 ELSE 0 END"
        assert rows(session, f"SELECT {sql}") == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1, 'abc', N'ab', 1.50, 1e0, NULL",
         ["int", "varchar(3)", "nvarchar(2)", "decimal(3,2)", "float", "int"]),
        ("SELECT COUNT(*), COUNT_BIG(*), SUM(CAST(1 AS tinyint)), AVG(CAST(1 AS decimal(5,2)))",
         ["int", "bigint", "int", "decimal(38,6)"]),
        ("SELECT GETDATE(), SYSUTCDATETIME(), NEWID()",
         ["datetime", "datetime2(7)", "uniqueidentifier"]),
        ("SELECT CASE WHEN 1 = 1 THEN 1 ELSE 2.5 END", ["decimal(11,1)"]),
        ("SELECT x.a + 'z' FROM (SELECT CAST('b' AS varchar(4)) AS a) x", ["varchar(5)"]),
        ("WITH c AS (SELECT CAST(1 AS money) m) SELECT * FROM c", ["money"]),
    ],
)  # fmt: skip
def test_a_column_has_sql_servers_type(session: Interpreter, sql: str, expected: list[str]) -> None:
    """Types are inferred, not taken from the engine."""
    assert types(session, sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM missing", 208),
        ("SELECT missing FROM sys.tables", 207),
        ("SELEC 1", 102),
        ("SELECT 'open", 105),
        ("SELECT @missing", 137),
        ("SELECT 1 / 0", 8134),
        ("SELECT CAST('x' AS int)", 245),
        ("SELECT CAST('x' AS date)", 241),
        ("SELECT CAST(300 AS tinyint)", 8115),
        ("SELECT no_such_function(1)", 195),
        ("SELECT LEN('a', 'b')", 174),
        ("USE missing", 911),
        ("DROP TABLE missing", 3701),
        ("COMMIT", 3902),
        ("ROLLBACK", 3903),
        ("THROW 51234, 'as you wish', 1", 51234),
        ("RAISERROR('loud', 16, 1)", 50000),
        ("CREATE TABLE no_schema.t (a int)", 2760),
        ("CREATE TABLE t (a nonsense)", 2715),
        ("SELECT FORMAT(1, 'n')", 40000),
        ("SELECT 1 FOR XML PATH", 40000),
        ("SELECT name FROM sys.tables WHERE name LIKE 'a' ESCAPE 'ab'", 506),
        ("SELECT name COLLATE Latin1_General_BIN AS n FROM sys.tables FOR JSON AUTO", 40000),
        ("EXEC sp_executesql", 40000),
        ("SET XACT_ABORT ON", 40000),
    ],
)
def test_an_error_has_sql_servers_number(session: Interpreter, sql: str, expected: int) -> None:
    """Errors are told by number; what is not played is 40000."""
    assert number(session, sql) == expected


def test_identity_numbers_rows_and_survives_a_rollback(session: Interpreter) -> None:
    """Numbers given out are not given out again."""
    rows(session, "CREATE TABLE #n (id int IDENTITY(1,1) PRIMARY KEY, v varchar(5))")
    assert rows(session, "INSERT INTO #n (v) OUTPUT inserted.id VALUES ('a'), ('b')") == [
        (1,), (2,),
    ]  # fmt: skip
    rows(session, "BEGIN TRAN INSERT INTO #n (v) VALUES ('c') ROLLBACK")
    rows(session, "INSERT INTO #n (v) SELECT v FROM #n WHERE id = 1")
    assert rows(session, "SELECT SCOPE_IDENTITY(), MAX(id), COUNT(*) FROM #n") == [(4, 4, 3)]


def test_what_does_not_fit_is_refused(session: Interpreter) -> None:
    """Lengths, nulls and keys are SQL Server's."""
    rows(session, "CREATE TABLE #f (k int NOT NULL UNIQUE, v nvarchar(3), c int CHECK (c > 0))")
    assert number(session, "INSERT INTO #f VALUES (1, 'abcd', 1)") == 2628
    assert number(session, "INSERT INTO #f VALUES (NULL, 'a', 1)") == 515
    assert number(session, "INSERT INTO #f VALUES (1, 'a', 0)") == 547
    assert number(session, "INSERT INTO #f VALUES (1, 'a')") == 213
    rows(session, "INSERT INTO #f VALUES (1, 'a', 1)")
    assert number(session, "INSERT INTO #f VALUES (1, 'b', 1)") == 2627


def test_an_error_leaves_the_transaction_as_it_was(session: Interpreter) -> None:
    """The engine gives a transaction up on an error; SQL Server does not."""
    rows(session, "CREATE TABLE #kept (id int PRIMARY KEY)")
    rows(session, "BEGIN TRAN INSERT INTO #kept VALUES (1) INSERT INTO #kept VALUES (2)")
    assert number(session, "INSERT INTO #kept VALUES (2)") == 2627
    assert number(session, "SELECT 1 / (id - 2) FROM #kept") == 8134
    rows(session, "INSERT INTO #kept VALUES (3) COMMIT")
    assert rows(session, "SELECT SUM(id), @@TRANCOUNT FROM #kept") == [(6, 0)]


def test_updates_and_deletes_may_join(session: Interpreter) -> None:
    """The alias of FROM names what is changed."""
    rows(session, "CREATE TABLE #j (id int, v int)")
    rows(session, "INSERT INTO #j VALUES (1, 10), (2, 20), (3, 30)")
    rows(session, "UPDATE a SET a.v = b.v FROM #j a JOIN #j b ON b.id = a.id + 1")
    assert rows(session, "SELECT v FROM #j ORDER BY id") == [(20,), (30,), (30,)]
    outcomes = list(session.run("DELETE a FROM #j a JOIN #j b ON a.id = b.id WHERE b.v = 30"))
    assert [outcome.count for outcome in outcomes if isinstance(outcome, RowsChanged)] == [2]


def test_merge_updates_and_inserts(session: Interpreter) -> None:
    """MERGE without OUTPUT."""
    rows(session, "CREATE TABLE #m (id int, v varchar(9)) INSERT INTO #m VALUES (1, 'old')")
    rows(
        session,
        "MERGE #m AS t USING (VALUES (1, 'new'), (2, 'added')) AS s(id, v) ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET v = s.v"
        " WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v);",
    )
    assert rows(session, "SELECT * FROM #m ORDER BY id") == [(1, "new"), (2, "added")]


def test_queries_of_many_shapes(session: Interpreter) -> None:
    """TOP, OFFSET, APPLY, windows, CTEs, SELECT INTO, subqueries, UNION."""
    rows(session, "SELECT * INTO #q FROM (VALUES (1, 'a'), (2, 'b'), (3, 'b')) AS v(id, k)")
    for sql, expected in (
        ("SELECT TOP 1 id FROM #q ORDER BY id DESC", [(3,)]),
        ("SELECT TOP (2) id FROM #q ORDER BY id", [(1,), (2,)]),
        ("SELECT id FROM #q ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", [(2,)]),
        ("SELECT q.id, x.n FROM #q q CROSS APPLY (SELECT COUNT(*) n FROM #q i WHERE i.k = q.k) x",
         [(1, 1), (2, 2), (3, 2)]),
        ("SELECT id, SUM(id) OVER (PARTITION BY k ORDER BY id) FROM #q WHERE k = 'B' ORDER BY id",
         [(2, 2), (3, 5)]),
        ("SELECT AVG(id), k FROM #q GROUP BY k HAVING COUNT(*) > 1", [(2, "b")]),
        ("SELECT id FROM #q WHERE id NOT IN (SELECT id FROM #q WHERE k = 'b')", [(1,)]),
        ("SELECT 1 UNION SELECT 1 UNION ALL SELECT 2", [(1,), (2,)]),
        ("SELECT a.id FROM tempdb..#q AS a WITH (NOLOCK) WHERE a.k = N'A'", [(1,)]),
    ):  # fmt: skip
        assert sorted(rows(session, sql)) == expected, sql


def test_variables_and_conditions(session: Interpreter) -> None:
    """DECLARE, SET, SELECT @x =, IF, ELSE."""
    batch = (
        "DECLARE @a int = 5, @b nvarchar(10) SET @a = @a * 2"
        " SELECT @b = name FROM sys.schemas WHERE name = 'dbo'"
        " IF @a > 9 BEGIN SELECT @a, @b END ELSE SELECT 'never'"
    )
    assert rows(session, batch) == [(10, "dbo")]


def test_parameters_are_bound_in_their_types(session: Interpreter) -> None:
    """A parameter is compared as the type it was declared with, and shows it."""
    found = rows(
        session,
        "SELECT @P1 + 1, @p2 + '!'",
        p1=Variable(INT, 41),
        p2=Variable(nvarchar(10), "it's"),
    )
    assert found == [(42, "it's!")]
    assert "it's" not in repr(Variable(nvarchar(10), "it's"))


def test_notices_and_pauses_are_outcomes(session: Interpreter) -> None:
    """PRINT informs, WAITFOR waits; nobody sleeps here."""
    outcomes = list(session.run("PRINT 'so' + ' far' WAITFOR DELAY '00:01:30'"))
    assert [outcome.text for outcome in outcomes if isinstance(outcome, Notice)] == ["so far"]
    assert [outcome.seconds for outcome in outcomes if isinstance(outcome, Pause)] == [90.0]


def test_a_reset_session_is_as_new(session: Interpreter) -> None:
    """Transactions, temporary tables and the database go back."""
    rows(session, "CREATE TABLE #r (a int) USE master BEGIN TRAN")
    list(session.reset())
    assert rows(session, "SELECT DB_NAME(), @@TRANCOUNT") == [("train", 0)]
    assert number(session, "SELECT * FROM #r") == 208


def test_the_catalogue_views_tell_what_was_declared(session: Interpreter) -> None:
    """INFORMATION_SCHEMA and sys agree with CREATE TABLE, and a rollback takes it back."""
    rows(session, "BEGIN TRAN CREATE TABLE told (id int PRIMARY KEY, v nvarchar(7) DEFAULT 'x')")
    sql = (
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE"
        " FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'told' ORDER BY ORDINAL_POSITION"
    )
    assert rows(session, sql) == [("id", "int", None, "NO"), ("v", "nvarchar", 7, "YES")]
    joined = (
        "SELECT t.name, y.name, c.max_length FROM sys.tables t"
        " JOIN sys.columns c ON c.object_id = t.object_id"
        " JOIN sys.types y ON y.user_type_id = c.user_type_id"
        " WHERE t.name = 'told' AND c.name = 'v'"
    )
    assert rows(session, joined) == [("told", "nvarchar", 14)]
    rows(session, "ROLLBACK")
    assert rows(session, sql) == []


def test_object_id_takes_a_variable(session: Interpreter) -> None:
    """Reflection asks by a parameter; an unknown name and NULL have no id."""
    rows(session, "CREATE TABLE found (id int)")
    asked = "DECLARE @name nvarchar(60) = {} SELECT OBJECT_ID(@name), OBJECT_ID('found')"
    ((identifier, expected),) = rows(session, asked.format("'[dbo].[found]'"))
    assert identifier == expected
    assert rows(session, asked.format("NULL")) == [(None, expected)]
    assert rows(session, asked.format("'missing'")) == [(None, expected)]
    assert number(session, "SELECT OBJECT_ID(@undeclared)") == 137
    rows(session, "DROP TABLE found")


def test_a_foreign_key_is_heeded(session: Interpreter) -> None:
    """A row must refer to one that is there, and tables of one name stay apart afterwards."""
    rows(session, "CREATE TABLE parent (id int PRIMARY KEY) INSERT INTO parent VALUES (1)")
    rows(session, "CREATE TABLE child (parent int REFERENCES parent (id))")
    rows(session, "CREATE TABLE #parent (id int) INSERT INTO #parent VALUES (7)")
    rows(session, "INSERT INTO child VALUES (1)")
    assert number(session, "INSERT INTO child VALUES (2)") == 547
    assert rows(session, "SELECT id FROM #parent UNION ALL SELECT id FROM parent") == [(7,), (1,)]
    rows(session, "DROP TABLE child DROP TABLE parent DROP TABLE #parent")


def test_object_id_and_objectproperty_take_what_a_row_says(session: Interpreter) -> None:
    """SQLAlchemy 2.0 asks so whether a key is clustered; other properties are refused."""
    rows(session, "CREATE TABLE keyed (id int PRIMARY KEY, a int CONSTRAINT only UNIQUE)")
    asked = (
        "DECLARE @property nvarchar(40) = '{}' SELECT c.CONSTRAINT_TYPE,"
        " OBJECTPROPERTY(OBJECT_ID('[' + c.TABLE_SCHEMA + '].' + c.CONSTRAINT_NAME), @property),"
        " CASE WHEN OBJECT_ID(c.TABLE_SCHEMA + '.' + c.TABLE_NAME) = OBJECT_ID('keyed') THEN 1 END"
        " FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c WHERE c.TABLE_NAME = 'keyed' ORDER BY 1"
    )
    found = rows(session, asked.format("CnstIsClustKey"))
    assert found == [("PRIMARY KEY", 1, 1), ("UNIQUE", 0, 1)]
    assert number(session, asked.format("IsTable")) == 40000
    unclear = "SELECT OBJECT_ID(TABLE_SCHEMA + '.' + TABLE_NAME) FROM INFORMATION_SCHEMA.TABLES"
    assert number(session, unclear) == 40000
    rows(session, "DROP TABLE keyed")
