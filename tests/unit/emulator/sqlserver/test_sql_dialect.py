"""T-SQL that DuckDB says in other words: table functions, TOP, formats, JSON."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.sql_session import open_session, rows

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.interpreter import Interpreter


@pytest.fixture(scope="module")
def session() -> Iterator[Interpreter]:
    """Open one session with one table."""
    with open_session() as opened:
        rows(
            opened, "CREATE TABLE #e (id int, dept char(1), name varchar(9), pay int, at datetime2)"
        )
        rows(
            opened,
            "INSERT INTO #e VALUES (1, 'a', 'Ann', 10, '2024-02-29T13:04:05'),"
            " (2, 'a', 'Bob', 20, NULL), (3, 'b', 'Cy', 20, NULL), (4, 'b', NULL, 5, NULL)",
        )
        yield opened


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT value FROM STRING_SPLIT('x,y', ',')", [("x",), ("y",)]),
        ("SELECT s.* FROM STRING_SPLIT('x,y', ',', 1) AS s", [("x", 1), ("y", 2)]),
        (
            "SELECT e.id, s.value FROM #e e CROSS APPLY STRING_SPLIT(e.name, 'n') s WHERE id = 1",
            [(1, "A"), (1, ""), (1, "")],
        ),
        (
            "SELECT * FROM (SELECT name n FROM #e WHERE id=3) q CROSS APPLY STRING_SPLIT(n, 'x')",
            [("Cy", "Cy")],
        ),
        (
            "SELECT id, s.* FROM #e OUTER APPLY STRING_SPLIT(name, 'n') AS s WHERE id <> 2",
            [(1, "A"), (1, ""), (1, ""), (3, "Cy"), (4, None)],
        ),
        (
            (
                "SELECT TOP 3 id, part FROM #e CROSS APPLY STRING_SPLIT('c,,b,a', ',') AS s(part)"
                " WHERE part <> ''"
            ),
            [(1, "c"), (1, "b"), (1, "a")],
        ),
        (
            (
                "SELECT * FROM #e CROSS APPLY STRING_SPLIT(name, 'C')"
                " CROSS APPLY GENERATE_SERIES(3, 1, -2) AS n WHERE id = 3"
            ),
            [(3, "b", "Cy", 20, None, part, n) for part in ("", "y") for n in (3, 1)],
        ),
        (
            "SELECT COUNT(*), MAX(s.value) FROM #e CROSS APPLY STRING_SPLIT(name, 'n') AS s",
            [(5, "Cy")],
        ),
        (
            (
                "SELECT value FROM #e CROSS APPLY STRING_SPLIT('b,a', ',') GROUP BY value"
                " UNION ALL SELECT value FROM #e CROSS APPLY STRING_SPLIT('c', ',') WHERE id = 1"
                " ORDER BY value DESC"
            ),
            [("c",), ("b",), ("a",)],
        ),
        (
            "SELECT id FROM #e WHERE name IN (SELECT value FROM STRING_SPLIT('ann,cy', ','))",
            [(1,), (3,)],
        ),
        ("SELECT value FROM GENERATE_SERIES(1, 5, 2)", [(1,), (3,), (5,)]),
        ("SELECT TOP 1 WITH TIES id FROM #e ORDER BY pay DESC", [(2,), (3,)]),
        ("SELECT TOP (30) PERCENT id FROM #e ORDER BY id", [(1,), (2,)]),
        ("SELECT TOP 25 PERCENT WITH TIES pay FROM #e ORDER BY pay DESC", [(20,), (20,)]),
        (
            (
                "SELECT dept, STRING_AGG(name, '+') WITHIN GROUP (ORDER BY id DESC) FROM #e"
                " GROUP BY dept ORDER BY dept"
            ),
            [("a", "Bob+Ann"), ("b", "Cy")],
        ),
        (
            "SELECT FORMAT(at, 'dd.MM.yyyy HH:mm') FROM #e WHERE id < 3",
            [("29.02.2024 13:04",), (None,)],
        ),
        ("SELECT FORMAT(at, 'dddd, MMM') FROM #e WHERE id = 1", [("Thursday, Feb",)]),
        (
            """SELECT JSON_VALUE(j, '$.a.b[1]'), JSON_VALUE(j, '$.a'), ISJSON(j), ISJSON('{')
            FROM (VALUES ('{"a": {"b": [1, "x"]}}')) AS v(j)""",
            [("x", None, 1, 0)],
        ),
        ("SELECT GREATEST(1, 3, NULL), LEAST(2.5, 1)", [(3, 1)]),
        ("SELECT DATEDIFF_BIG(millisecond, '1970-01-01', '2024-01-01')", [(1704067200000,)]),
        (
            "SELECT dept, GROUPING(dept), SUM(pay) FROM #e GROUP BY ROLLUP(dept) ORDER BY 3",
            [("b", 0, 25), ("a", 0, 30), (None, 1, 55)],
        ),
    ],
)
def test_a_query_has_sql_servers_rows(
    session: Interpreter, sql: str, expected: list[tuple[Any, ...]]
) -> None:
    """The translation says what the T-SQL means."""
    assert rows(session, sql) == expected


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT * FROM OPENJSON('[1]')", 40000),
        ("SELECT * FROM OPENJSON('{}', '$.a') WITH (id int '$.id', t nvarchar(9) AS JSON)", 40000),
        ("SELECT e.id FROM #e e CROSS APPLY OPENJSON(e.name) WITH (a int) j", 40000),
        ("SELECT * FROM OPENROWSET(BULK 'a.csv', SINGLE_CLOB) AS r", 40000),
        ("SELECT value FROM STRING_SPLIT('x')", 174),
        ("SELECT TOP 1 WITH TIES id FROM #e", 1062),
        ("SELECT DISTINCT TOP 10 PERCENT dept FROM #e", 40000),
        ("SELECT TOP 1 WITH TIES id, pay FROM #e ORDER BY 2", 40000),
        ("SELECT FORMAT(at, 'd') FROM #e", 40000),
        ("SELECT FORMAT(at, 'yyyy-MM-ddTHH') FROM #e", 40000),
        ("SELECT FORMAT(pay, 'N2') FROM #e", 40000),
    ],
)
def test_the_rest_is_refused(session: Interpreter, sql: str, number: int) -> None:
    """Better no answer than a wrong one."""
    with pytest.raises(SqlError) as caught:
        rows(session, sql)
    assert caught.value.number == number
