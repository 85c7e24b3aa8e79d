"""TRY ... CATCH, WHILE and RETURN in a batch."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.sql_session import open_session, rows

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import Pause


@pytest.fixture(scope="module")
def session() -> Iterator[Interpreter]:
    """Open one session for all tests."""
    with open_session() as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("BEGIN TRY SELECT 1 END TRY BEGIN CATCH SELECT 2 END CATCH SELECT 3", [(1,), (3,)]),
        ("BEGIN TRY SELECT 1 / 0 END TRY BEGIN CATCH SELECT ERROR_NUMBER(), @@ERROR END CATCH",
         [(8134, 8134)]),
        (("BEGIN TRY THROW 51000, 'mine', 7 END TRY"
         " BEGIN CATCH SELECT ERROR_MESSAGE(), ERROR_STATE(), ERROR_SEVERITY() END CATCH;"
         " SELECT ERROR_MESSAGE(), ERROR_STATE(), ERROR_PROCEDURE()"),
         [("mine", 7, 16), (None, None, None)]),
        (("DECLARE @text nvarchar(20) = 'it''s', @severity int = 16"
         " BEGIN TRY RAISERROR(@text, @severity, 1) END TRY"
         " BEGIN CATCH SELECT ERROR_MESSAGE() END CATCH"), [("it's",)]),
        (("BEGIN TRY THROW 51000, 'outer', 1 END TRY BEGIN CATCH"
         " BEGIN TRY THROW 51001, 'inner', 1 END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"
         " SELECT ERROR_NUMBER() END CATCH"), [(51001,), (51000,)]),
        (("DECLARE @i int = 0, @sum int = 0 WHILE @i < 9 BEGIN SET @i += 1"
         " IF @i % 2 = 0 CONTINUE IF @i > 6 BREAK SET @sum += @i END SELECT @i, @sum"), [(7, 9)]),
        ("SELECT 1 RETURN SELECT 2", [(1,)]),
    ],
)  # fmt: skip
def test_a_batch_goes_where_it_says(
    session: Interpreter, sql: str, expected: list[tuple[Any, ...]]
) -> None:
    """Blocks nest, and the error functions know the error that is handled."""
    assert rows(session, sql) == expected


def test_a_caught_error_leaves_the_transaction_to_the_handler(session: Interpreter) -> None:
    """The customary pattern: roll back if there is a transaction, then throw again."""
    rows(session, "CREATE TABLE #keyed (id int PRIMARY KEY)")
    batch = (
        "BEGIN TRY BEGIN TRAN; INSERT #keyed VALUES (1); INSERT #keyed VALUES (1); COMMIT;"
        " END TRY BEGIN CATCH SELECT XACT_STATE(); IF @@TRANCOUNT > 0 ROLLBACK; THROW; END CATCH"
    )
    with pytest.raises(SqlError) as caught:
        rows(session, batch)
    assert caught.value.number == 2627
    assert rows(session, "SELECT COUNT(*), @@TRANCOUNT, XACT_STATE() FROM #keyed") == [(0, 0, 0)]


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("BEGIN TRY SELECT * FROM missing END TRY BEGIN CATCH SELECT 1 END CATCH", 208),
        ("BEGIN TRY SELECT 1 FOR XML PATH END TRY BEGIN CATCH SELECT 1 END CATCH", 40000),
        ("BEGIN TRY SELECT 1 END TRY SELECT 2", 102),
        ("BEGIN TRY SELECT 1", 102),
        ("BEGIN TRY SELECT 1 END", 102),
        ("THROW", 10704),
        ("BREAK", 135),
        ("CONTINUE", 136),
        ("GOTO somewhere", 40000),
    ],
)
def test_errors_that_no_handler_sees(session: Interpreter, sql: str, number: int) -> None:
    """Compile errors pass a TRY by, and so does what the emulator does not play."""
    with pytest.raises(SqlError) as caught:
        rows(session, sql)
    assert caught.value.number == number


def test_a_loop_lets_a_cancel_in_between_its_rounds(session: Interpreter) -> None:
    """An endless loop pauses, so that whoever runs it can stop."""
    outcomes = session.run("DECLARE @i int WHILE 1 = 1 SET @i = 1")
    pauses = 0
    for outcome in outcomes:
        pauses += isinstance(outcome, Pause)
        if pauses == 3:
            break
    outcomes.close()  # type: ignore[attr-defined]  # an Iterator to callers, a generator to us
    assert pauses == 3


@pytest.mark.parametrize(
    "batch",
    [
        "BEGIN TRAN SAVE TRAN half UPDATE missing SET a = 1",
        "BEGIN TRAN BEGIN TRY IF 1 = 1 SAVE TRANSACTION a END TRY BEGIN CATCH PRINT 1 END CATCH",
    ],
)
def test_a_savepoint_is_refused_by_name(session: Interpreter, batch: str) -> None:
    """A script learns that the emulator lacks savepoints, not that its syntax is wrong."""
    with pytest.raises(SqlError, match="does not play SAVE TRANSACTION") as caught:
        rows(session, batch)
    assert caught.value.number == 40000
    rows(session, "ROLLBACK")


def test_save_is_a_name_where_it_is_quoted(session: Interpreter) -> None:
    """SAVE is a reserved word only without brackets."""
    assert rows(session, "SELECT 1 AS [save] SELECT q.[save] FROM (VALUES (2)) AS q([save])") == [
        (1,), (2,),
    ]  # fmt: skip
