"""Reading through real drivers: which way a query takes, what a fault does to it, what it holds."""

import ast
import datetime as dt
import decimal
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.played_database import PASSWORD, Played, play_database

import remote_entry
import remote_entry.reading.over_arrow_odbc as by_arrow_odbc
import remote_entry.reading.over_mssql_python as by_mssql
import remote_entry.reading.over_pyodbc as by_pyodbc
from remote_entry.errors import SqlError
from remote_entry.reading.frames import frame_of
from remote_entry.reading.ways import open_given, open_own, read_own
from remote_entry.sql.database import Database

ROWS = 2_000
UNICODE = "naïve € 漢字 😀"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Start a server with a table of bounded types and one with a max column."""
    with play_database(tmp_path_factory.mktemp("authority")) as running:
        running.run(
            "CREATE TABLE numbers (id int NOT NULL, name nvarchar(40), amount decimal(18,4))",
            "CREATE TABLE documents (id int NOT NULL, body nvarchar(max))",
            "CREATE TABLE kept (id int)",
        )
        with running.database.engine.begin() as connection:
            for first in range(0, ROWS, 1000):
                values = ", ".join(
                    f"({n}, N'{UNICODE}', {n}.25)" for n in range(first, first + 1000)
                )
                connection.exec_driver_sql(f"INSERT INTO numbers VALUES {values}")  # noqa: S608 - ours
            connection.exec_driver_sql("INSERT INTO documents SELECT id, name FROM numbers")
        yield running


@pytest.fixture(autouse=True)
def nothing_left_over(played: Played) -> Iterator[None]:
    """Let no fault rule and no wait outlive its test."""
    yield
    played.server.faults.clear()
    played.waits.clear()


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which driver reads."""
    taken: list[str] = []

    def noting(module: Any, name: str) -> None:
        opens: Callable[..., Any] = getattr(module, name)

        def noted(*args: Any, **options: Any) -> Any:
            taken.append(name)
            return opens(*args, **options)

        monkeypatch.setattr(module, name, noted)

    noting(by_arrow_odbc, "open_arrow_odbc")
    noting(by_mssql, "open_mssql")
    noting(by_pyodbc, "open_pyodbc")
    return taken


BOUNDED = "SELECT id, name, amount FROM numbers ORDER BY id"
ENDLESS = "SELECT id, body FROM documents ORDER BY id"
NOT_ASCII = "SELECT id, name AS é FROM numbers ORDER BY id"
all_ways = pytest.mark.parametrize("sql", [BOUNDED, NOT_ASCII, ENDLESS])


@pytest.mark.parametrize(
    ("sql", "params", "way"),
    [
        (BOUNDED, None, "open_arrow_odbc"),
        (NOT_ASCII, None, "open_mssql"),
        (ENDLESS, None, "open_pyodbc"),
        ("SELECT id, body FROM documents WHERE id < :most", {"most": 5}, "open_pyodbc"),
        ("SELECT id FROM numbers WHERE id < :most", {"most": 5}, "open_mssql"),
        ("SELECT SYSDATETIMEOFFSET() AS at WHERE 1 = 0", None, "open_mssql"),
        ("DECLARE @n int = 5 SELECT id FROM numbers WHERE id < @n", None, "open_pyodbc"),
    ],
)
def test_the_way_follows_from_the_query(
    played: Played, ways: list[str], sql: str, params: Any, way: str
) -> None:
    """And does not show in the result: the caller's own connection gives the same table."""
    table = read_own(played.database, sql, params, 500)
    assert ways[-1] == way
    assert open_given(played.database.engine, sql, params, 500).read_all().equals(table)


def test_an_access_token_logs_in(played: Played, ways: list[str]) -> None:
    """arrow-odbc takes none, so it is mssql-python; a refused one is not tried twice."""
    assert read_own(played.with_token(), "SELECT SUSER_SNAME() AS v", None, 5).to_pylist() == [
        {"v": "a principal"}
    ]
    assert ways == ["open_mssql"]
    with pytest.raises(SqlError, match="refused the user name or the password") as caught:
        read_own(played.with_token("a bad token"), BOUNDED, None, 5)
    assert (caught.value.number, caught.value.kind) == (18456, "sql.login-failed")
    assert played.waits == []


@all_ways
def test_sessions_carry_the_run(played: Played, sql: str) -> None:
    """Administrators tell runs apart by program and host, whatever the driver calls itself."""
    read_own(played.database, sql, None, 500)
    login = [event for event in played.server.events if event.kind == "login"][-1]
    assert (login.application, login.host) == ("remote_entry/1 flights", "run-7")


def test_parameters_are_bound(played: Played) -> None:
    """By name or by place, of any type; text that looks like SQL stays text."""
    evil = "'; DELETE FROM numbers; --"
    values = [evil, 7, decimal.Decimal("1.25"), None, b"\0\1", dt.date(2013, 1, 1), True]
    found = read_own(
        played.database, "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f, ? AS g", values, 5
    )
    assert list(found.to_pylist()[0].values()) == values
    named = "SELECT id FROM numbers WHERE name <> :evil AND id BETWEEN :low AND :high OR id = :low"
    rows = read_own(played.database, named, {"evil": evil, "low": 3, "high": 5}, 5).to_pylist()
    assert [row["id"] for row in rows] == [3, 4, 5]


@all_ways
def test_no_rows_have_the_types_of_rows(played: Played, sql: str) -> None:
    """The schema is known before the first row."""
    empty = sql.replace(" ORDER", " WHERE 1 = 0 ORDER")
    with open_own(played.database, empty, None, 500) as batches:
        schema = batches.schema
        assert list(batches) == []
    full = read_own(played.database, sql, None, 500)
    assert schema.equals(full.schema)
    frame = frame_of(full)
    assert frame_of(schema.empty_table()).dtypes.equals(frame.dtypes)
    assert len(frame) == ROWS
    assert frame.iloc[-1, 1] == UNICODE


@all_ways
@pytest.mark.parametrize("error", [1205, 40197])
def test_a_read_that_a_passing_condition_stopped_is_done_again(
    played: Played, sql: str, error: int
) -> None:
    """After the five seconds that Microsoft advises; a deadlock too."""
    played.server.faults.add(at="query", error=error, matching="^SELECT id")
    assert read_own(played.database, sql, None, 500).num_rows == ROWS
    assert [round(wait) in {5, 6} for wait in played.waits] == [True]


@all_ways
def test_a_read_that_broke_off_in_the_middle_is_done_again_as_a_whole(
    played: Played, sql: str
) -> None:
    """No row is missing and none is there twice."""
    played.server.faults.add(at="rows", drop=True, after_rows=1_000, matching="^SELECT id")
    ids = read_own(played.database, sql, None, 100)["id"].to_pylist()
    assert ids == list(range(ROWS))
    assert len(played.waits) == 1


@pytest.mark.parametrize("column", ["name", "name AS é", "CAST(name AS nvarchar(max)) AS name"])
@pytest.mark.parametrize(
    "fault",
    # A reset takes what is under way with it: the reader gets half a second to have some.
    [{"drop": True, "delay": 0.5}, {"error": 8134}, {"error": 1205}],
)
def test_batches_that_break_off_never_look_like_the_end(
    played: Played, column: str, fault: dict[str, Any]
) -> None:
    """Once rows were handed out there is an error, and no second attempt."""
    many = "FROM numbers a CROSS JOIN (SELECT TOP (40) id FROM numbers) b"
    sql = f"SELECT a.id, {column} {many}"
    played.server.faults.add(at="rows", after_rows=40_000, matching="^SELECT a.id", **fault)
    rows = []
    batches = open_own(played.database, sql, None, 100)
    with pytest.raises(SqlError) as caught:
        rows.extend(batch.num_rows for batch in batches)
    assert 0 < sum(rows) <= 40_000
    assert caught.value.number == fault.get("error")
    assert (caught.value.kind == "sql.connection-lost") == ("drop" in fault)
    assert played.waits == []


@pytest.mark.parametrize("params", [None, [0]], ids=["arrow-odbc", "mssql-python"])
def test_batch_in_which_a_connection_broke_off_is_not_handed_out(
    played: Played, params: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver hands over what it has as if it were all: a race, so it is run many times."""
    monkeypatch.setattr(played.database.connector, "patience", 1)  # no second attempt
    sql = "SELECT a.id, a.name FROM numbers a CROSS JOIN (SELECT TOP (10) id FROM numbers) b"
    sql += " WHERE a.id >= ?" if params else ""
    for after in (2_500, 5_000, 10_000, 15_000) * 4:
        played.server.faults.clear()
        played.server.faults.add(at="rows", drop=True, after_rows=after, matching="SELECT a.id")
        handed_out = []
        with pytest.raises(SqlError) as caught:
            handed_out.extend(open_own(played.database, sql, params, 100_000))
        assert (caught.value.kind, handed_out) == ("sql.connection-lost", [])


def test_scripts_read_by_two_functions(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """read_frame and read_batches, on the run's database or on a connection of the script's."""

    class Process:
        def database(self) -> Database:
            return played.database

    monkeypatch.setattr("remote_entry.library._PROCESS", Process())
    frame = remote_entry.read_frame(BOUNDED)
    assert [str(kind) for kind in frame.dtypes][::2] == ["int64", "decimal128(18, 4)[pyarrow]"]
    with remote_entry.read_batches(BOUNDED, rows=700) as batches:
        assert [batch.num_rows for batch in batches] == [700, 700, 600]
    with played.database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT id INTO #few FROM numbers WHERE id < 3")
        few = "SELECT id FROM #few WHERE id > :low"
        assert remote_entry.read_frame(few, {"low": 0}, connection=connection)["id"].sum() == 3
        counted = remote_entry.read_batches("SELECT id FROM #few", connection=connection)
        assert counted.read_all().num_rows == 3


def test_a_callers_own_connection_is_not_tried_twice(played: Played) -> None:
    """Its transaction is lost; only the caller knows what was in it."""
    played.server.faults.add(at="rows", error=1205, after_rows=1_000, matching="^SELECT id")
    with pytest.raises(SqlError) as caught:
        open_given(played.database.engine, BOUNDED, None, 100).read_all()
    assert caught.value.number == 1205
    assert played.waits == []


def test_what_does_more_than_read_runs_once_and_leaves_nothing(played: Played) -> None:
    """Its transaction is rolled back, as on the caller's connection without a commit."""
    sql = "INSERT INTO kept OUTPUT inserted.id VALUES (7)"
    assert read_own(played.database, sql, None, 5).to_pylist() == [{"id": 7}]
    assert read_own(played.database, "SELECT id FROM kept", None, 5).num_rows == 0
    played.server.faults.add(at="query", error=1205, matching="^INSERT INTO kept")
    with pytest.raises(SqlError) as caught:
        read_own(played.database, sql, None, 5)
    assert (caught.value.number, caught.value.transient) == (1205, True)
    assert played.waits == []


def test_the_first_result_of_a_batch_is_read(played: Played) -> None:
    """And of a statement that returns nothing, nothing is."""
    sql = "DECLARE @n int = 2; SELECT id FROM numbers WHERE id = @n; SELECT 9 AS nine"
    assert read_own(played.database, sql, None, 5).to_pylist() == [{"id": 2}]
    assert read_own(played.database, "INSERT INTO kept VALUES (1)", None, 5).num_columns == 0


@pytest.mark.parametrize("params", [None, {"n": 1}])
def test_a_refused_query_says_the_servers_number(played: Played, params: Any) -> None:
    """mssql-python does not tell it; the server does when asked."""
    sql = "SELECT * FROM nowhere WHERE id = :n" if params else "SELECT * FROM nowhere"
    for read in (
        lambda: read_own(played.database, sql, params, 5),
        lambda: open_own(played.database, sql, params, 5),
        lambda: open_given(played.database.engine, sql, params, 5),
    ):
        with pytest.raises(SqlError, match="Invalid object name 'nowhere'") as caught:
            read()
        assert caught.value.number == 208
        assert PASSWORD not in str(caught.value)


@all_ways
def test_leaving_early_closes_the_connection(played: Played, sql: str) -> None:
    """The server does not go on sending to somebody who has gone."""
    with open_own(played.database, sql, None, 50) as batches:
        assert next(batches).num_rows == 50
    played.database.engine.dispose()  # what its pool has; a connection in use would stay
    wait_for_connections(played, 0)


def wait_for_connections(played: Played, count: int) -> None:
    """Wait until the server has seen that connections were closed."""
    gc.collect()  # engines that earlier tests made for themselves
    deadline = time.monotonic() + 5
    while len(played.server._connections) != count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(played.server._connections) == count


def test_pain_20_long_values_make_short_batches(played: Played) -> None:
    """A batch is bounded in bytes, whatever number of rows was asked for."""
    played.run("CREATE TABLE long (body varchar(max))")
    with played.database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO long VALUES (?)", ("x" * 100_000,))
        for _ in range(8):
            connection.exec_driver_sql("INSERT INTO long SELECT body FROM long")
    code = (
        "import remote_entry.reading.over_pyodbc as by_pyodbc\n"
        "by_pyodbc.BATCH_BYTES = 1_000_000\n"
        "batches = open_own(database, 'SELECT body FROM long', None, 50_000)\n"
        "print([(batch.num_rows, batch.nbytes) for batch in batches])"
    )
    sizes = ast.literal_eval(elsewhere(played, code))
    assert sum(rows for rows, _ in sizes) == 256
    assert max(size for _, size in sizes) <= 1_000_000 + 1_000_000 // 8 + 100  # a step too much


def test_values_that_suddenly_are_long_make_short_batches(played: Played) -> None:
    """What came before says nothing of what comes: only a step of rows is asked for blindly."""
    played.run("CREATE TABLE sudden (n int, body varchar(max))")
    played.run("INSERT INTO sudden SELECT id, name FROM numbers")
    with played.database.engine.begin() as connection:
        for number in range(1, 101):
            values = (ROWS + number, "x" * 100_000)
            connection.exec_driver_sql("INSERT INTO sudden VALUES (?, ?)", values)
    query = "SELECT body FROM sudden ORDER BY n"
    batches = list(open_own(played.database, query, None, 50_000))
    assert sum(batch.num_rows for batch in batches) == ROWS + 100
    most = by_pyodbc.BATCH_BYTES + by_pyodbc.STEP_ROWS * 100_000
    assert max(batch.nbytes for batch in batches) < most < 100 * 100_000


def test_a_few_rows_need_no_pandas(played: Played) -> None:
    """An extract asks for counts and bounds; pandas alone would be a quarter of its memory."""
    code = (
        "from remote_entry.extract.server.source import SqlServer\n"
        "print(SqlServer(database).ask('SELECT COUNT_BIG(*) AS n, MIN(id) AS low FROM numbers'))\n"
        "print('pandas' in sys.modules)"
    )
    assert elsewhere(played, code).splitlines() == [f"[({ROWS}, 0)]", "False"]


def test_wide_declarations_make_short_batches(played: Played) -> None:
    """Buffers follow the declared widths and values may be as long, so both ways count in bytes."""
    columns = ", ".join(f"c{n} nvarchar(4000)" for n in range(40))
    played.run(f"CREATE TABLE wide ({columns})", "INSERT INTO wide (c0) SELECT name FROM numbers")
    for query, most in (
        ("SELECT * FROM wide", by_arrow_odbc.BUFFER_BYTES // (40 * 8000)),
        ("SELECT *, SYSDATETIMEOFFSET() AS at FROM wide", by_mssql.BATCH_BYTES // (40 * 4000)),
    ):
        counts = [batch.num_rows for batch in open_own(played.database, query, None, 50_000)]
        assert sum(counts) == ROWS
        assert max(counts) <= most


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_locale_loses_no_letter(played: Played, locale: str) -> None:
    """The driver takes narrow text for the locale's, so arrow-odbc gets none that is not ASCII."""
    odd = f"SELECT TOP (1) name AS é, N'{UNICODE}' AS literal FROM numbers"  # noqa: S608 - ours
    code = (
        "from support.played_database import UNICODE_PASSWORD\n"
        f"other = reach({played.server.port}, [], login=('leser', UNICODE_PASSWORD))\n"
        "plain = read_own(database, sys.argv[1], None, 5).to_pylist()\n"
        "print(ascii([plain, read_own(other, sys.argv[2], None, 5).to_pylist()]))"
    )
    plain = "SELECT TOP (1) name FROM numbers"
    assert ast.literal_eval(elsewhere(played, code, plain, odd, LC_ALL=locale)) == [
        [{"name": UNICODE}],
        [{"é": UNICODE, "literal": UNICODE}],
    ]


def elsewhere(played: Played, code: str, *arguments: str, **environ: str) -> str:
    """Run code on ``database`` in a process of its own; return what it prints."""
    head = (
        "import sys\n"
        "from remote_entry.reading.ways import open_own, read_own\n"
        "from support.played_database import reach\n"
        f"database = reach({played.server.port}, [])\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", head + code, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
