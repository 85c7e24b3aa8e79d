"""The SQL Server emulator under the drivers of the field, unmodified and over real TLS."""

import collections
import datetime as dt
import decimal
import importlib.util
import os
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import arrow_odbc
import mssql_python
import pandas as pd
import pyarrow as pa
import pyodbc
import pytest
import sqlalchemy as sa
import sqlalchemy.orm
import trustme

from submitter.emulator.sqlserver import Login, SqlServer

PASSWORD = "Pa;ss {w}ord' é"
Connect = Callable[..., pyodbc.Connection]

pyodbc.pooling = False


def dt_of(*parts: int) -> dt.datetime:
    """Return a moment without a zone, as T-SQL's datetimes are."""
    return dt.datetime(*parts)  # noqa: DTZ001 - see above


def driver_path() -> str:
    """Return Microsoft's driver 18 out of mssql-python's wheel."""
    spec = importlib.util.find_spec("mssql_python_odbc")
    assert spec is not None
    assert spec.origin is not None
    libraries = Path(spec.origin).parent / "libs/linux/debian_ubuntu/x86_64/lib"
    return str(next(libraries.glob("libmsodbcsql-18*")))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Make a certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="module", autouse=True)
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have the drivers' OpenSSL trust the authority."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(path)
    yield path
    if before is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = before


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[SqlServer]:
    """Start a server with one login and two databases."""
    certificate = authority.issue_cert("localhost")
    with SqlServer(
        tls=certificate.configure_cert,
        logins=[Login("reader", PASSWORD), Login("guest", "guest", frozenset({"other"}))],
        databases=["train", "other"],
        check_token=lambda token: "a principal" if token == "a good token" else None,
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults_left(server: SqlServer) -> Iterator[None]:
    """Let no fault rule outlive its test."""
    yield
    server.faults.clear()


def connection_string(server: SqlServer, **changed: str) -> str:
    """Return an ODBC connection string."""
    parts = {
        "Driver": driver_path(),
        "Server": f"localhost,{server.port}",
        "Database": "train",
        "UID": "reader",
        "PWD": "{" + PASSWORD.replace("}", "}}") + "}",
        "Encrypt": "yes",
        **changed,
    }
    return ";".join(f"{key}={value}" for key, value in parts.items())


@pytest.fixture
def connect(server: SqlServer) -> Iterator[Connect]:
    """Open pyodbc connections that are closed at the end."""
    opened: list[pyodbc.Connection] = []

    def open_connection(**changed: str) -> pyodbc.Connection:
        connection = pyodbc.connect(connection_string(server, **changed), timeout=5)
        opened.append(connection)
        return connection

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.fixture
def engine(server: SqlServer) -> Iterator[sa.Engine]:
    """Make a SQLAlchemy engine."""
    quoted = urllib.parse.quote_plus(connection_string(server))
    made = sa.create_engine(f"mssql+pyodbc:///?odbc_connect={quoted}")
    yield made
    made.dispose()


def native_error(problem: BaseException) -> str:
    """Return the text of a pyodbc error, which ends in the native number."""
    return str(problem.args[1])


# Logging in.


def test_a_password_of_odd_characters_logs_in_over_tls(server: SqlServer, connect: Connect) -> None:
    """Semicolons, braces, quotes and letters beyond ASCII arrive as they are."""
    assert connect(APP="the tests").execute("SELECT SUSER_SNAME()").fetchval() == "reader"
    login = [event for event in server.events if event.kind == "login"][-1]
    assert (login.user, login.application, login.database) == ("reader", "the tests", "train")
    assert login.encrypted == "TLSv1.2"
    assert PASSWORD not in repr(list(server.events))


def test_tds_8_brings_tls_1_3(server: SqlServer, connect: Connect) -> None:
    """Encrypt=strict begins with TLS instead of PRELOGIN."""
    assert connect(Encrypt="strict").execute("SELECT 1").fetchval() == 1
    assert [event for event in server.events if event.kind == "login"][-1].encrypted == "TLSv1.3"


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"PWD": "wrong"}, "(18456)"),
        ({"UID": "nobody"}, "(18456)"),
        ({"Database": "missing"}, "(4060)"),
        ({"UID": "guest", "PWD": "guest"}, "(4060)"),
    ],
)
def test_a_login_is_refused_with_sql_servers_number(
    connect: Connect, changed: dict[str, str], number: str
) -> None:
    """Wrong credentials and databases out of reach are told apart."""
    with pytest.raises(pyodbc.Error) as caught:
        connect(**changed)
    assert number in native_error(caught.value)
    assert PASSWORD not in native_error(caught.value)


def test_a_certificate_of_an_unknown_authority_is_refused(connect: Connect) -> None:
    """The driver checks the certificate against the name it connected to."""
    stranger = trustme.CA().issue_cert("localhost")
    with (
        SqlServer(tls=stranger.configure_cert, logins=[Login("reader", PASSWORD)]) as untrusted,
        pytest.raises(pyodbc.OperationalError, match="certificate verify failed"),
    ):
        connect(Server=f"localhost,{untrusted.port}")


def test_an_access_token_logs_in(server: SqlServer) -> None:
    """The token of Entra ID comes as a connection attribute (SQL_COPT_SS_ACCESS_TOKEN)."""
    encoded = "a good token".encode("utf-16-le")
    token = len(encoded).to_bytes(4, "little") + encoded
    base = f"Driver={driver_path()};Server=localhost,{server.port};Database=train;Encrypt=yes"
    connection = pyodbc.connect(base, attrs_before={1256: token}, timeout=5)
    assert connection.execute("SELECT SUSER_SNAME()").fetchval() == "a principal"
    connection.close()
    bad = len("a bad token") * 2
    with pytest.raises(pyodbc.Error) as caught:
        pyodbc.connect(
            base,
            attrs_before={1256: bad.to_bytes(4, "little") + "a bad token".encode("utf-16-le")},
            timeout=5,
        )
    assert "(18456)" in native_error(caught.value)


# Types.

TYPED = [
    ("bit", True),
    ("tinyint", 255),
    ("smallint", -32768),
    ("int", 2**31 - 1),
    ("bigint", -(2**63)),
    ("real", 0.25),
    ("float", 1.7976931348623157e308),
    ("decimal(38,10)", decimal.Decimal("-1234567890123456789012345678.0123456789")),
    ("numeric(5,0)", decimal.Decimal(-99999)),
    ("money", decimal.Decimal("-922337203685477.5808")),
    ("smallmoney", decimal.Decimal("214748.3647")),
    ("date", dt.date(9999, 12, 31)),
    ("date", dt.date(1, 1, 1)),
    ("time(0)", dt.time(23, 59, 59)),
    ("datetime", dt_of(1753, 1, 1, 0, 0, 0, 3000)),
    ("smalldatetime", dt_of(2079, 6, 6, 23, 59)),
    ("datetime2(7)", dt_of(9999, 12, 31, 23, 59, 59, 999999)),
    ("datetime2(3)", dt_of(2024, 2, 29, 12, 30, 0, 123000)),
    ("char(5)", "ab   "),
    ("nchar(3)", "é漢 "),
    ("varchar(20)", "naïve €"),
    ("nvarchar(20)", "漢字 😀"),
    ("varchar(max)", "x" * 20_000),
    ("nvarchar(max)", "漢" * 10_000),
    ("nvarchar(10)", ""),
    ("binary(4)", b"\0\1\2\3"),
    ("varbinary(10)", b""),
    ("varbinary(max)", bytes(range(256)) * 100),
    ("uniqueidentifier", str(uuid.UUID(int=2**127 + 12345)).upper()),
]


@pytest.mark.parametrize(("declaration", "value"), TYPED)
def test_a_value_of_every_type_comes_back_as_it_went(
    connect: Connect, declaration: str, value: Any
) -> None:
    """Parameter in, stored, read: equal to the last digit; NULL stays NULL."""
    cursor = connect().cursor()
    cursor.execute(f"CREATE TABLE #typed (id int NOT NULL, v {declaration} NULL)")
    cursor.execute("INSERT INTO #typed VALUES (?, ?), (?, ?)", 1, value, 2, None)
    rows = cursor.execute("SELECT v FROM #typed ORDER BY id").fetchall()
    assert rows[0][0] == value
    assert rows[1][0] is None
    assert cursor.execute("SELECT COUNT(*) FROM #typed WHERE v = ?", value).fetchval() == 1


def test_a_datetimeoffset_keeps_its_instant(connect: Connect) -> None:
    """The zone is turned to UTC; the instant stays."""
    connection = connect()
    connection.add_output_converter(-155, lambda raw: raw)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE #o (v datetimeoffset(7))")
    cursor.execute("INSERT INTO #o VALUES (?)", "2024-01-02 03:04:05.123456 +02:00")
    raw = cursor.execute("SELECT v FROM #o").fetchval()
    parts = [int.from_bytes(raw[index : index + 2], "little") for index in range(0, 12, 2)]
    assert parts == [2024, 1, 2, 1, 4, 5]
    assert int.from_bytes(raw[12:16], "little") == 123_456_000


def test_declared_types_survive_joins_and_aliases(connect: Connect) -> None:
    """A description says what was declared, not what the engine stores."""
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE #a (id tinyint NOT NULL, name nvarchar(32), price money)")
    cursor.execute("CREATE TABLE #b (id tinyint NOT NULL, code varchar(7), at datetime2(3))")
    cursor.execute(
        "SELECT x.name AS n, y.code, MAX(x.price) AS top_price, y.at, COUNT(*) AS n_rows"
        " FROM #a x JOIN #b y ON x.id = y.id GROUP BY x.name, y.code, y.at"
    )
    described = [(column[0], column[3], column[5]) for column in cursor.description]
    assert described == [
        ("n", 32, 0), ("code", 7, 0), ("top_price", 19, 4), ("at", 23, 3), ("n_rows", 10, 0),
    ]  # fmt: skip


def test_a_column_that_holds_no_null_is_described_so(connect: Connect) -> None:
    """Fixed-length types say it by their type (MS-TDS 2.2.5.4.1), and outer joins take it back."""
    cursor = connect().cursor()
    numbers = "i int NOT NULL, b bit NOT NULL, r real NOT NULL, m money NOT NULL"
    cursor.execute(f"CREATE TABLE #full (id int NOT NULL, {numbers}, n int NULL)")
    cursor.execute("CREATE TABLE #all (id int NOT NULL)")
    cursor.execute("INSERT INTO #full VALUES (1, -7, 1, 0.1, -1.5, NULL)")
    cursor.execute("INSERT INTO #all VALUES (1), (2)")
    cursor.execute("SELECT i, b, r, m, n FROM #full")
    assert [column[6] for column in cursor.description] == [False, False, False, False, True]
    single = struct.unpack("f", struct.pack("f", 0.1))[0]
    assert tuple(cursor.fetchone()) == (-7, True, single, decimal.Decimal("-1.5000"), None)
    for sql in (
        "SELECT f.i FROM #all a LEFT JOIN #full f ON f.id = a.id ORDER BY a.id",
        "SELECT f.i FROM #full f RIGHT JOIN #all a ON f.id = a.id ORDER BY a.id",
        "SELECT x.i FROM #all a OUTER APPLY (SELECT i FROM #full WHERE id = a.id) x ORDER BY a.id",
        "SELECT i FROM #full GROUP BY ROLLUP (i) ORDER BY i DESC",
    ):
        cursor.execute(sql)
        assert cursor.description[0][6] is True
        assert [row[0] for row in cursor.fetchall()] == [-7, None]


def test_a_query_is_described_without_its_rows(connect: Connect) -> None:
    """sp_describe_first_result_set tells declarations; temporary tables and batches it refuses."""
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE told (id int NOT NULL, r real, t nvarchar(max), o datetimeoffset)")
    describe = "EXEC sp_describe_first_result_set ?"
    rows = cursor.execute(describe, "SELECT *, 'x' AS x FROM told").fetchall()
    assert [(row.name, row.system_type_name, row.is_nullable) for row in rows][:4] == [
        ("id", "int", False), ("r", "real", True), ("t", "nvarchar(max)", True),
        ("o", "datetimeoffset(7)", True),
    ]  # fmt: skip
    for sql, number in (
        ("SELECT * FROM nowhere", "(208)"),
        ("SELECT * FROM #t", "(11526)"),
        ("DELETE FROM told", "(11514)"),
    ):
        with pytest.raises(pyodbc.Error) as caught:
            cursor.execute(describe, sql)
        assert number in native_error(caught.value)


# Statements, transactions, cancel.


def test_an_error_in_a_transaction_does_not_end_it(connect: Connect) -> None:
    """What was done before the error is committed after it."""
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE kept (id int PRIMARY KEY)")
    connection.commit()
    cursor.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(pyodbc.IntegrityError, match="2627"):
        cursor.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(pyodbc.Error, match="245"):
        cursor.execute("SELECT CAST('x' AS int)").fetchall()
    cursor.execute("INSERT INTO kept VALUES (2)")
    connection.commit()
    other = connect().cursor()
    assert [row[0] for row in other.execute("SELECT id FROM kept ORDER BY id")] == [1, 2]
    other.execute("DROP TABLE kept").commit()


def test_a_rollback_takes_back_rows_and_tables(connect: Connect) -> None:
    """Definitions are part of a transaction too."""
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE gone (id int)")
    cursor.execute("INSERT INTO gone VALUES (1)")
    assert cursor.execute("SELECT @@TRANCOUNT").fetchval() == 1
    connection.rollback()
    with pytest.raises(pyodbc.ProgrammingError, match="208"):
        cursor.execute("SELECT * FROM gone")


def test_two_connections_do_not_see_each_others_open_work(connect: Connect) -> None:
    """Sessions are isolated; temporary tables are a session's own."""
    first, second = connect(), connect()
    first.execute("CREATE TABLE shared (id int)").commit()
    first.execute("INSERT INTO shared VALUES (1)")
    first.execute("CREATE TABLE #mine (id int)")
    assert second.execute("SELECT COUNT(*) FROM shared").fetchval() == 0
    with pytest.raises(pyodbc.ProgrammingError, match="208"):
        second.execute("SELECT * FROM #mine")
    first.commit()
    assert second.execute("SELECT COUNT(*) FROM shared").fetchval() == 1
    second.commit()
    first.execute("DROP TABLE shared").commit()


def test_databases_are_namespaces(connect: Connect) -> None:
    """USE, three-part names and the login's database choose among them."""
    connection = connect()
    connection.autocommit = True
    connection.execute("CREATE TABLE other.dbo.only_there (id int)")
    connection.execute("INSERT INTO [other].[dbo].[only_there] VALUES (7)")
    with pytest.raises(pyodbc.ProgrammingError, match="208"):
        connection.execute("SELECT * FROM only_there")
    connection.execute("USE other")
    row = connection.execute("SELECT DB_NAME(), id FROM only_there").fetchone()
    assert tuple(row) == ("other", 7)
    assert connect(Database="other").execute("SELECT id FROM only_there").fetchval() == 7
    connection.execute("DROP TABLE only_there")


def test_a_query_timeout_cancels_and_the_connection_lives_on(
    server: SqlServer, connect: Connect
) -> None:
    """The driver's cancel is seen while the server waits and while its engine computes."""
    connection = connect()
    connection.timeout = 1
    numbers = ", ".join(f"GENERATE_SERIES(1, 900) t{n}" for n in range(6))
    endless = f"COUNT_BIG(*) FROM {numbers} WHERE t0.value + t1.value = t2.value"
    for sql in ("WAITFOR DELAY '00:00:30'", f"SELECT {endless}"):
        started = time.monotonic()
        with pytest.raises(pyodbc.OperationalError, match="HYT00"):
            connection.execute(sql).fetchall()
        assert time.monotonic() - started < 3
    connection.timeout = 0
    assert connection.execute("SELECT 5").fetchval() == 5
    assert [event.kind for event in server.events].count("cancel") >= 2


def test_a_cancel_in_mid_stream_leaves_the_connection_usable(
    server: SqlServer, connect: Connect
) -> None:
    """Closing a cursor before its last row cancels the rest."""
    rows = pa.table({"n": pa.array(range(300_000)), "text": pa.array(["x" * 50] * 300_000)})
    server.serve_canned("SELECT * FROM long_stream", rows)
    connection = connect()
    cursor = connection.execute("select *  from long_stream")
    assert len(cursor.fetchmany(10)) == 10
    cursor.cancel()
    cursor.close()
    assert connection.execute("SELECT 6").fetchval() == 6


FAST_EXECUTEMANY = """
import datetime, decimal, sys
import pyodbc
connection = pyodbc.connect(sys.argv[1], timeout=5)
cursor = connection.cursor()
cursor.execute("CREATE TABLE #many (id int, name nvarchar(20), amount decimal(18,4), at datetime2)")
cursor.fast_executemany = True
at = datetime.datetime(2024, 1, 2)
rows = [(n, f"name {n}" if n % 7 else None, decimal.Decimal(n) / 4, at) for n in range(1000)]
cursor.executemany("INSERT INTO #many VALUES (?, ?, ?, ?)", rows)
print(*cursor.execute("SELECT COUNT(*), COUNT(name), SUM(amount), MAX(at) FROM #many").fetchone())
cursor.execute("CREATE TABLE #keyed (id int PRIMARY KEY)")
try:
    cursor.executemany("INSERT INTO #keyed VALUES (?)", [(n % 90,) for n in range(100)])
except pyodbc.IntegrityError as problem:
    print(*cursor.execute("SELECT COUNT(*) FROM #keyed").fetchone(), "(2627)" in problem.args[1])
"""


def test_fast_executemany_stores_a_thousand_rows(server: SqlServer) -> None:
    """Arrays of parameters arrive as calls in one message.

    A row that fails has its own error, and the others are stored as by SQL Server.

    In a process of its own: pyodbc holds Python's lock between two parts of the array, and
    the server would wait for it.
    """
    client = subprocess.run(
        [sys.executable, "-c", FAST_EXECUTEMANY, connection_string(server)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    whole, with_error = client.stdout.splitlines()
    assert whole.split() == ["1000", "857", "124875.0000", "2024-01-02", "00:00:00"]
    assert with_error.split() == ["90", "True"]


# Faults.


def test_a_deadlock_takes_the_transaction_with_it(server: SqlServer, connect: Connect) -> None:
    """The victim's work is rolled back and its connection lives on."""
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE fought_over (id int)")
    connection.commit()
    cursor.execute("INSERT INTO fought_over VALUES (1)")
    server.faults.add(at="query", error=1205, severity=13, matching="UPDATE fought_over")
    with pytest.raises(pyodbc.Error) as caught:
        cursor.execute("UPDATE fought_over SET id = 2")
    assert caught.value.args[0] == "40001"
    assert "(1205)" in native_error(caught.value)
    assert cursor.execute("SELECT COUNT(*) FROM fought_over").fetchval() == 0
    cursor.execute("DROP TABLE fought_over")
    connection.commit()


def test_a_connection_dropped_in_mid_stream_is_an_error(
    server: SqlServer, connect: Connect
) -> None:
    """No driver may take the rows so far for all rows."""
    server.load("train", "streamed", pa.table({"n": pa.array(range(50_000))}))
    server.faults.add(at="rows", drop=True, after_rows=20_000)
    with pytest.raises(pyodbc.OperationalError):
        connect().execute("SELECT n FROM streamed").fetchall()


def test_an_error_after_some_rows_reaches_the_reader(server: SqlServer) -> None:
    """arrow-odbc raises what comes after the first batches."""
    server.load("train", "half", pa.table({"n": pa.array(range(5_000))}))
    server.faults.add(at="rows", error=1205, after_rows=1_000)
    reader = arrow_odbc.read_arrow_batches_from_odbc(
        "SELECT n FROM half", connection_string(server), batch_size=500
    )
    with pytest.raises(arrow_odbc.Error, match="1205"):
        collections.deque(reader, maxlen=0)


def test_a_silent_server_ends_in_the_login_timeout(server: SqlServer) -> None:
    """A delay at connect blocks this client and no other one."""
    server.faults.add(at="connect", delay=30.0)
    failures: list[BaseException] = []

    def wait_in_vain() -> None:
        try:
            pyodbc.connect(connection_string(server, ConnectRetryCount="0"), timeout=1)
        except pyodbc.Error as problem:
            failures.append(problem)

    waiting = threading.Thread(target=wait_in_vain)
    waiting.start()
    while server.faults.expects("connect"):
        time.sleep(0.01)
    with pyodbc.connect(connection_string(server), timeout=5) as connection:
        assert connection.execute("SELECT 1").fetchval() == 1
    connection.close()
    waiting.join(10)
    assert [problem.args[0] for problem in failures] == ["HYT00"]


@pytest.mark.parametrize("number", [40613, 4060, 18456, 40501])
def test_a_login_fault_shows_its_number(server: SqlServer, connect: Connect, number: int) -> None:
    """Transient and lasting errors at login arrive with their native number."""
    server.faults.add(at="login", error=number, times=None)
    with pytest.raises(pyodbc.Error) as caught:
        connect()
    assert f"({number})" in native_error(caught.value)


def test_what_is_not_played_is_refused(connect: Connect) -> None:
    """Nothing is answered wrongly in silence."""
    cursor = connect().cursor()
    for sql in (
        "SELECT FORMAT(GETDATE(), 'd')",
        "SELECT 1 AS a FOR JSON PATH",
        "GOTO elsewhere",
        "BACKUP DATABASE train TO DISK = 'x'",
    ):
        with pytest.raises(pyodbc.Error, match="the emulator does not play|syntax"):
            cursor.execute(sql)
    with pytest.raises(pyodbc.Error, match="195"):
        cursor.execute("SELECT no_such_function(1)")
    with pytest.raises(pyodbc.Error, match="2812"):
        cursor.execute("EXEC no_such_procedure")


# SQLAlchemy, pandas, arrow-odbc, mssql-python.


class Base(sa.orm.DeclarativeBase):
    """The base of the mapped classes."""


class Parent(Base):
    """A row with children."""

    __tablename__ = "parents"
    id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)
    name: sa.orm.Mapped[str] = sa.orm.mapped_column(sa.Unicode(40))
    children: sa.orm.Mapped[list["Child"]] = sa.orm.relationship(order_by="Child.id")


class Child(Base):
    """A row with a parent."""

    __tablename__ = "children"
    id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)
    parent_id: sa.orm.Mapped[int] = sa.orm.mapped_column(sa.ForeignKey("parents.id"))
    born: sa.orm.Mapped[dt.date]


def test_the_orm_inserts_selects_and_rolls_back(engine: sa.Engine) -> None:
    """Identity values come back through OUTPUT and SCOPE_IDENTITY."""
    Base.metadata.create_all(engine)
    with sa.orm.Session(engine) as session:
        session.add_all(
            [
                Parent(name="Ada", children=[Child(born=dt.date(1836, 5, 12))]),
                Parent(name="Marie", children=[Child(born=dt.date(1897, 9, 12)) for _ in "ab"]),
            ]
        )
        session.commit()
        session.add(Parent(name="never"))
        session.flush()
        session.rollback()
        names = session.scalars(sa.select(Parent.name).order_by(Parent.id).limit(5)).all()
        assert names == ["Ada", "Marie"]
        marie = session.scalars(sa.select(Parent).where(Parent.name == "MARIE")).one()
        assert [child.born.year for child in marie.children] == [1897, 1897]
        session.delete(marie.children[0])
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(Child)) == 2
    Base.metadata.drop_all(engine)


def test_the_inspector_describes_what_was_created(engine: sa.Engine) -> None:
    """Tables, columns, keys and types are read from the catalogue."""
    Base.metadata.create_all(engine)
    inspector = sa.inspect(engine)
    assert {"parents", "children"} <= set(inspector.get_table_names())
    columns = {column["name"]: column for column in inspector.get_columns("parents")}
    assert isinstance(columns["name"]["type"], sa.NVARCHAR)
    assert columns["name"]["type"].length == 40
    assert columns["id"]["nullable"] is False
    assert inspector.get_pk_constraint("parents")["constrained_columns"] == ["id"]
    foreign = inspector.get_foreign_keys("children")
    assert foreign[0]["referred_table"] == "parents"
    assert inspector.has_table("parents")
    assert not inspector.has_table("nothing")
    Base.metadata.drop_all(engine)


def test_pandas_writes_and_reads_frames(engine: sa.Engine) -> None:
    """to_sql, read_sql whole and in chunks, parameters."""
    frame = pd.DataFrame(
        {
            "n": range(1_000),
            "text": [f"row {n}" for n in range(1_000)],
            "value": [n / 8 for n in range(1_000)],
            "at": pd.date_range("2024-01-01", periods=1_000, freq="h"),
        }
    )
    assert frame.to_sql("frames", engine, index=False, if_exists="replace") is not None
    frame.head(10).to_sql("frames", engine, index=False, if_exists="append")
    with engine.connect() as connection:
        whole = pd.read_sql(
            sa.text("SELECT * FROM frames WHERE n < :n"), connection, params={"n": 5}
        )
        assert len(whole) == 10
        chunks = list(pd.read_sql(sa.text("SELECT * FROM frames"), connection, chunksize=300))
    assert [len(chunk) for chunk in chunks] == [300, 300, 300, 110]
    together = pd.concat(chunks, ignore_index=True).head(1_000)
    assert together["value"].tolist() == frame["value"].tolist()
    assert together["at"].tolist() == frame["at"].tolist()
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE frames"))


def test_arrow_odbc_reads_batches_in_their_types(server: SqlServer) -> None:
    """A table loaded from Arrow comes back as Arrow."""
    table = pa.table(
        {
            "id": pa.array(range(10_000), pa.int32()),
            "amount": pa.array(
                [decimal.Decimal(n) / 4 for n in range(10_000)], pa.decimal128(18, 4)
            ),
            "name": pa.array([None if n % 3 == 0 else f"é {n}" for n in range(10_000)]),
            "at": pa.array([dt_of(2024, 1, 1)] * 10_000, pa.timestamp("us")),
            "flag": pa.array([n % 2 == 0 for n in range(10_000)]),
        }
    )
    assert server.load("train", "arrows", table) == 10_000
    reader = arrow_odbc.read_arrow_batches_from_odbc(
        "SELECT * FROM arrows ORDER BY id", connection_string(server), batch_size=4_000
    )
    found = pa.Table.from_batches(list(reader), reader.schema)
    assert found["id"].to_pylist() == table["id"].to_pylist()
    assert found["amount"].to_pylist() == table["amount"].to_pylist()
    assert found["name"].to_pylist() == table["name"].to_pylist()
    assert found["flag"].to_pylist() == table["flag"].to_pylist()
    assert found["at"][0].as_py() == dt_of(2024, 1, 1)


def test_mssql_python_queries_with_parameters_and_arrow(server: SqlServer) -> None:
    """Microsoft's own driver for Python, DBAPI and Arrow."""
    connection = mssql_python.connect(
        f"Server=localhost,{server.port};Database=other;UID=guest;PWD=guest;Encrypt=yes"
    )
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE #m (id int, name nvarchar(max), amount decimal(10,2))")
    cursor.executemany(
        "INSERT INTO #m VALUES (?, ?, ?)",
        [(n, f"name {n}", decimal.Decimal("1.25")) for n in range(50)],
    )
    assert cursor.execute("SELECT COUNT(*) FROM #m WHERE id >= ?", (25,)).fetchone()[0] == 25
    cursor.execute("SELECT id, name, amount FROM #m ORDER BY id")
    batches = list(cursor.arrow_reader(batch_size=20))
    assert sum(batch.num_rows for batch in batches) == 50
    cursor.close()
    connection.close()


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.zip", ".parquet"])
def test_files_become_tables(
    server: SqlServer, connect: Connect, tmp_path: Path, ending: str
) -> None:
    """Types are derived from the data; empty fields are NULL."""
    frame = pd.DataFrame({"n": [1, 2, 3], "text": ["a", None, "ccc"], "x": [1.5, None, 2.5]})
    path = tmp_path / f"a file{ending}"
    if ending == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    name = "loaded" + ending.replace(".", "_")
    assert server.load("train", name, path) == 3
    cursor = connect().execute(f"SELECT n, text, x FROM {name} ORDER BY n")  # noqa: S608 - our name
    assert [tuple(row) for row in cursor.fetchall()] == [
        (1, "a", 1.5), (2, None, None), (3, "ccc", 2.5),
    ]  # fmt: skip


# Incremental reading.


def test_rowversions_reach_the_drivers_as_eight_bytes(
    connect: Connect, engine: sa.Engine, server: SqlServer
) -> None:
    """A watermark read by one driver is a parameter of the next query, of any driver."""
    connection = connect()
    cursor = connection.execute("CREATE TABLE versioned (id int, rv rowversion)")
    cursor.execute("INSERT INTO versioned (id) VALUES (1), (2)")
    connection.commit()
    watermark = cursor.execute("SELECT @@DBTS").fetchval()
    assert len(watermark) == 8
    cursor.execute("UPDATE versioned SET id = 10 WHERE id = 1")
    connection.commit()
    changed = "SELECT id, rv FROM versioned WHERE rv > ? AND rv < MIN_ACTIVE_ROWVERSION()"
    ((identifier, version),) = cursor.execute(changed, watermark).fetchall()
    assert (identifier, len(version)) == (10, 8)
    assert version > watermark
    column = sa.inspect(engine).get_columns("versioned")[1]
    assert (str(column["type"]), column["nullable"]) == ("TIMESTAMP", False)
    other = mssql_python.connect(
        f"Server=localhost,{server.port};Database=train;UID=reader;"
        f"PWD={{{PASSWORD.replace('}', '}}')}}};Encrypt=yes"
    )
    assert other.cursor().execute(changed, (watermark,)).fetchall()[0][1] == version
    other.close()
    batches = arrow_odbc.read_arrow_batches_from_odbc(
        "SELECT rv FROM versioned ORDER BY rv", connection_string=connection_string(server)
    )
    assert batches is not None
    assert next(iter(batches)).column(0).to_pylist()[1] == version
    cursor.execute("DROP TABLE versioned")
    connection.commit()


# Stopping.


def test_stop_ends_pooled_connections_and_running_queries(authority: trustme.CA) -> None:
    """A pool that is still open and a query that never ends hold nothing up."""
    running = SqlServer(
        tls=authority.issue_cert("localhost").configure_cert,
        logins=[Login("reader", PASSWORD)],
        databases=["train"],
    )
    running.start()
    quoted = urllib.parse.quote_plus(connection_string(running))
    pool = sa.create_engine(f"mssql+pyodbc:///?odbc_connect={quoted}")
    with pool.begin() as connection:
        connection.execute(sa.text("CREATE TABLE left_open (id int)"))
    problems: list[Exception] = []

    def query_without_end() -> None:
        numbers = ", ".join(f"GENERATE_SERIES(1, 900) t{n}" for n in range(20))
        endless = f"COUNT_BIG(*) + 1 FROM left_open, {numbers}"
        try:
            with pool.connect() as connection:
                connection.execute(sa.text("INSERT INTO left_open VALUES (1)"))
                connection.execute(sa.text(f"SELECT {endless}"))
        except sa.exc.DBAPIError as problem:
            problems.append(problem)

    querying = threading.Thread(target=query_without_end)
    querying.start()
    while not any(event.text.startswith("SELECT COUNT_BIG(*)") for event in running.events):
        threading.Event().wait(0.01)
    started = time.monotonic()
    running.stop()
    assert time.monotonic() - started < 2
    querying.join(5)
    assert len(problems) == 1
    assert not running._connections
    pool.dispose()
