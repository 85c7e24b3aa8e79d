"""A text that may be run twice is told from one that may not."""

import pytest

from remote_entry.reading.reads_only import reads_only


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM flights",
        "  select 1;  ",
        "WITH late AS (SELECT * FROM flights) SELECT * FROM late",
        "SELECT 'DELETE FROM flights; --' AS text",
        'SELECT [into], "update" FROM t -- then DROP it',
        "/* INSERT; */ SELECT 1",
        "SELECT a FROM t ORDER BY a OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY",
        "SELECT updated, into_the_wild, #t.exec_time FROM #t",
    ],
)
def test_queries_only_read(sql: str) -> None:
    """Words in quotes, brackets and comments, and parts of names, are no statements."""
    assert reads_only(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- SELECT 1",
        "SELECT * INTO copy FROM flights",
        "SELECT 1; DELETE FROM flights",
        "SELECT 1 DELETE FROM flights",
        "WITH gone AS (SELECT 1 AS a) DELETE FROM flights",
        "DELETE FROM flights OUTPUT deleted.*",
        "EXEC refresh",
        "SELECT 1 EXEC refresh",
        "DECLARE @n int = 1 SELECT @n",
        "SELECT NEXT VALUE FOR numbers",
        "SELECT * FROM OPENQUERY(other, 'DELETE FROM flights')",
        "/* /* */ SELECT 1 */ DELETE FROM flights --",
    ],
)
def test_everything_else_does_more(sql: str) -> None:
    """In doubt a text is not run again."""
    assert not reads_only(sql)
