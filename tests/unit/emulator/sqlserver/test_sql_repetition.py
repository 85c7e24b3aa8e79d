"""Many executions of one prepared INSERT are done as one, with the same effect."""

import decimal
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pytest
from support.sql_session import open_session, rows

from submitter.emulator.sqlserver import repetition
from submitter.emulator.sqlserver.calls import Call
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.types import INT, SqlType, nvarchar
from submitter.emulator.sqlserver.values import Parameter

TYPES = {"p1": INT, "p2": nvarchar(20)}
INSERT = "INSERT INTO #t (k, v) VALUES (@p1, @p2)"


@pytest.fixture
def session() -> Iterator[Interpreter]:
    """Open a session with a table that has an identity column and a key."""
    with open_session() as opened:
        rows(opened, "CREATE TABLE #t (id int IDENTITY, k int UNIQUE, v nvarchar(5))")
        yield opened


def table(*pairs: tuple[int, str | None]) -> pa.Table:
    """Return bound parameters, a row an execution."""
    keys, texts = zip(*pairs, strict=True)
    return pa.table({"p1": pa.array(keys, pa.int32()), "p2": pa.array(texts, pa.large_string())})


def call(name: str, handle: int) -> Call:
    """Make a call whose first parameter is a handle."""
    return Call(name, [Parameter("", is_output=False, type=INT, value=handle)])


def test_only_neighbours_of_the_same_statement_belong_together() -> None:
    """Another handle or another procedure ends a run."""
    calls = [call("sp_execute", handle) for handle in (1, 1, 2, 1)]
    calls[2:2] = [call("sp_executesql", 1), call("sp_executesql", 1)]
    assert [len(run) for run in repetition.runs(calls)] == [2, 1, 1, 1, 1]


def test_parameters_become_columns_of_their_types() -> None:
    """A value that its type cannot hold is left to its own execution."""
    number, identifier = SqlType("decimal", precision=5, scale=2), SqlType("uniqueidentifier")
    known = uuid.UUID(int=7)
    found = repetition.bound_rows(
        [
            {"A": (number, decimal.Decimal("1.5")), "B": (identifier, known)},
            {"A": (number, None), "B": (identifier, None)},
        ]
    )
    assert found.to_pydict() == {"a": [decimal.Decimal("1.50"), None], "b": [str(known), None]}
    assert repetition.bound_rows([{"A": (number, decimal.Decimal(12345))}]) is None


def test_rows_are_numbered_in_their_order(session: Interpreter) -> None:
    """The identity column counts on, and SCOPE_IDENTITY is the last row's."""
    assert session.insert_rows(INSERT, TYPES, table((7, "a"), (5, None), (6, "c")))
    assert rows(session, "SELECT id, k, v FROM #t ORDER BY id") == [
        (1, 7, "a"), (2, 5, None), (3, 6, "c"),
    ]  # fmt: skip
    assert rows(session, "SELECT SCOPE_IDENTITY(), @@ROWCOUNT") == [(3, 1)]


def test_a_row_that_fails_undoes_the_attempt(session: Interpreter) -> None:
    """Nothing is inserted, so that the rows can be tried one by one."""
    rows(session, "BEGIN TRAN INSERT INTO #t (k) VALUES (1)")
    assert session.insert_rows(INSERT, TYPES, table((2, "a"), (3, "b")))
    assert not session.insert_rows(INSERT, TYPES, table((4, "a"), (1, "b")))
    assert not session.insert_rows(INSERT, TYPES, table((4, "a"), (5, "too long")))
    with pytest.raises(SqlError):
        rows(session, "INSERT INTO #t (k) VALUES (2)")
    rows(session, "COMMIT")
    assert rows(session, "SELECT k, v FROM #t ORDER BY k") == [(1, None), (2, "a"), (3, "b")]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO #t (k, v) VALUES ((SELECT COUNT(*) FROM #t) + @p1, @p2)",
        "INSERT INTO #t (k, v) OUTPUT inserted.id VALUES (@p1, @p2)",
        "INSERT INTO #t (k, v) VALUES (@p1, @p2), (-@p1, @p2)",
        "INSERT INTO #t (k, v) SELECT @p1, @p2",
        "INSERT INTO #t (k, v) VALUES (@@ROWCOUNT, @p2)",
        "UPDATE #t SET v = @p2 WHERE k = @p1",
    ],
)
def test_what_may_depend_on_the_row_before_is_left_alone(session: Interpreter, sql: str) -> None:
    """Only plain values are inserted together."""
    assert not session.insert_rows(sql, TYPES, table((1, "a"), (2, "b")))
    assert rows(session, "SELECT COUNT(*) FROM #t") == [(0,)]
