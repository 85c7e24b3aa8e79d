"""Windows that are read in ranges of a column."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.played_source import (
    PlayedServer,
    PlayedSource,
    land,
    landed_rows,
    lost_connection,
    run,
    spec_of,
)

from remote_entry.errors import ExtractError, SqlError
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.watch import Watch

ROWS = 30
CREATE = (
    "CREATE TABLE v (id int IDENTITY PRIMARY KEY, n int, heap int, at datetime2(7), day date, "
    "code uniqueidentifier, name nvarchar(10), rv rowversion)"
)


@pytest.fixture
def server() -> Iterator[PlayedServer]:
    """Start a server with a table; every fifth row has no number, and half are in a heap."""
    server = PlayedServer()
    values = [
        f"({n if n % 5 else 'NULL'}, {n if n % 2 else 7}, DATEADD(second, {n}, '2024-01-01'), "
        f"DATEADD(day, {n}, '2024-01-01'), NEWID())"
        for n in range(ROWS)
    ]
    run(
        server.session(),
        CREATE,
        f"INSERT INTO v (n, heap, at, day, code) VALUES {', '.join(values)}",  # noqa: S608 - ours
    )
    yield server
    server.close()


def planned(spec: Any) -> list[dict[str, Any]]:
    """Return the partitions of the only plan."""
    [plan] = spec.folder.glob("*/_PLAN.json")
    partitions: list[dict[str, Any]] = json.loads(plan.read_text())["partitions"]
    return partitions


@pytest.mark.parametrize("column", ["id", "n", "heap", "at", "day", "code", "rv"])
@pytest.mark.parametrize("cursor", [{"column": "rv", "kind": "rowversion"}, None])
def test_partitions_have_each_row_once(
    tmp_path: Path, source: PlayedSource, column: str, cursor: dict[str, str] | None
) -> None:
    """By each kind of column, with a cursor and without; rows without a value are among them."""
    spec = spec_of(tmp_path, cursor=cursor, partition={"column": column, "parts": 4})
    [landed] = land(spec, source).landed
    assert landed.verification is not None
    assert landed.verification.is_exact
    assert sorted(row[0] for row in landed_rows(spec)) == list(range(1, ROWS + 1))


@pytest.mark.parametrize("column", ["n", "none"])
@pytest.mark.parametrize("parts", ["auto", 1, 3])
def test_a_single_range_leaves_rows_without_a_value_to_their_own(
    tmp_path: Path, source: PlayedSource, column: str, parts: str | int
) -> None:
    """Also if they are all, or the window is small."""
    run(source.session, "ALTER TABLE v ADD none int")
    spec = spec_of(tmp_path, rows_per_file=1000, partition={"column": column, "parts": parts})
    [landed] = land(spec, source).landed
    assert landed.verification is not None
    assert landed.verification.is_exact
    assert sorted(row[0] for row in landed_rows(spec)) == list(range(1, ROWS + 1))


def test_rows_that_come_after_they_were_counted_have_their_place(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """Of none there is nothing to cut."""
    run(source.session, "CREATE TABLE w (id int)")
    spec = spec_of(tmp_path, table="w", cursor=None, partition={"column": "id", "parts": 3})
    ask, writer = source.ask, server.session()

    def ask_and_insert(sql: str) -> list[tuple[Any, ...]]:
        answer = ask(sql)
        if "COUNT_BIG" in sql and answer == [(0,)]:
            run(writer, "INSERT INTO w VALUES (1), (2), (3)")
        return answer

    source.ask = ask_and_insert  # type: ignore[method-assign]
    assert land(spec, source).rows == 3


def test_boundaries_follow_the_rows_and_not_the_values(
    tmp_path: Path, source: PlayedSource
) -> None:
    """One far value does not take a partition for itself, and a heap is not cut."""
    run(source.session, "INSERT INTO v (n, heap) VALUES (2000000000, 0)")
    spec = spec_of(tmp_path, partition={"column": "n", "parts": 4})
    land(spec, source)
    *ranges, without_value = planned(spec)
    assert [(each["lo"], each["hi"]) for each in ranges] == [
        (None, "11"),
        ("11", "21"),
        ("21", "2000000000"),
        ("2000000000", None),
    ]
    assert without_value == {"lo": None, "hi": None, "is_null": True}
    other = spec_of(tmp_path, name="heaps", partition={"column": "heap", "parts": 8})
    land(other, source)
    bounds = [each["lo"] for each in planned(other) if each["lo"]]
    assert (len(bounds), bounds.count("7")) == (len(set(bounds)), 1)


def test_auto_makes_partitions_of_about_a_file(tmp_path: Path, source: PlayedSource) -> None:
    """And one, of everything, where that is enough."""
    spec = spec_of(tmp_path, rows_per_file=8, partition={"column": "id"})
    land(spec, source)
    assert len(planned(spec)) == 4 + 1
    small = spec_of(tmp_path, name="small", rows_per_file=100, partition={"column": "id"})
    land(small, source)
    assert len(planned(small)) == 1 + 1
    assert len(committed_parts(small.folder)) == 1


def test_a_partition_is_retried_alone(tmp_path: Path, source: PlayedSource) -> None:
    """After a deadlock the others stay as they are, and it goes on behind its last part."""
    spec = spec_of(tmp_path, rows_per_file=4, partition={"column": "id", "parts": 2})
    batches, warnings = [0], list[str]()

    def deadlock(_: int) -> None:
        batches[0] += 1
        if batches[0] == 8:  # the third of the second partition
            raise SqlError("deadlocked", kind="sql.deadlock", number=1205, transient=True)

    source.meanwhile = deadlock
    extract(spec, source, Watch(lambda *_: None, lambda *_: None, warnings.append))
    assert warnings == ["deadlocked; going on behind the last part"]
    reads = [sql for sql in source.asked if sql.endswith("ORDER BY q.[id]")]
    assert len(reads) == 3
    assert "q.[id] >= 16 AND q.[id] >= 20" in reads[2]
    assert [row[0] for row in landed_rows(spec)] == list(range(1, ROWS + 1))


def test_a_later_run_takes_up_the_partitions_that_were_planned(
    tmp_path: Path, source: PlayedSource
) -> None:
    """Whatever its own spec says of them; what is committed is not read again."""
    spec = spec_of(tmp_path, partition={"column": "id", "parts": 3})
    batches = [0]

    def breaks(_: int) -> None:
        batches[0] += 1
        if batches[0] == 6:
            raise SqlError("no", kind="sql.query")

    source.meanwhile = breaks
    with pytest.raises(SqlError):
        land(spec, source)
    source.meanwhile = lambda _: None
    asked = len(source.asked)
    later = spec_of(tmp_path, partition={"column": "heap", "parts": 2})
    assert land(later, source).landed[0].is_resumed
    assert not any("ROW_NUMBER" in sql or "[heap]" in sql for sql in source.asked[asked:])
    assert sorted(row[0] for row in landed_rows(spec)) == list(range(1, ROWS + 1))


def test_rows_without_an_order_are_committed_together(tmp_path: Path, source: PlayedSource) -> None:
    """A full extract that breaks begins anew; nothing of the first attempt stays."""
    spec = spec_of(tmp_path, cursor=None, rows_per_file=4)
    breaks = [True]

    def cut_off(number: int) -> None:
        if number == 5 and breaks:
            breaks.clear()
            raise lost_connection()

    source.meanwhile = cut_off
    assert land(spec, source).rows == ROWS
    assert sorted(row[0] for row in landed_rows(spec)) == list(range(1, ROWS + 1))
    files = {path.name for path in spec.folder.rglob("*.parquet")}
    assert files == {path.name for path in committed_parts(spec.folder)}


def test_what_was_never_landed_is_swept_away(tmp_path: Path, source: PlayedSource) -> None:
    """By the second run that lands something: until then somebody may be at work on it."""
    spec = spec_of(tmp_path, cursor=None)

    def breaks(number: int) -> None:
        if number == 1:
            raise SqlError("no", kind="sql.query")

    source.meanwhile = breaks
    with pytest.raises(SqlError):
        land(spec_of(tmp_path, cursor=None, partition={"column": "id", "parts": 9}), source)
    source.meanwhile = lambda _: None
    abandoned = spec.folder / "00000001-1"
    (abandoned / "part-00000-00000-abc.parquet").write_bytes(b"half")
    left = []
    for _ in range(2):
        land(spec, source)
        left.append(len(list(abandoned.glob("*.parquet"))))
    assert (left[0] > 0, left[1]) == (True, 0)
    assert sorted(row[0] for row in landed_rows(spec)) == list(range(1, ROWS + 1))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("idd", "no column 'idd'. Did you mean 'id'?"),
        ("name", r"it is nvarchar\(10\), whose ranges are not exact"),
    ],
)
def test_a_column_that_cannot_be_cut_is_refused(
    tmp_path: Path, source: PlayedSource, column: str, said: str
) -> None:
    """Before anything is written."""
    with pytest.raises(ExtractError, match=said):
        land(spec_of(tmp_path, partition={"column": column}), source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"partition": {"column": "heap"}}, ["no index of v begins with heap"]),
        ({"partition": {"column": "id"}}, []),
        ({"table": None, "query": "SELECT * FROM v", "partition": {"column": "heap"}}, []),
    ],
)
def test_a_column_without_an_index_is_told(
    tmp_path: Path, source: PlayedSource, asked: dict[str, Any], told: list[str]
) -> None:
    """Of a table; of a query nobody knows."""
    warnings: list[str] = []
    watch = Watch(lambda *_: None, lambda *_: None, warnings.append)
    extract(spec_of(tmp_path, **asked), source, watch)
    assert [text.partition(":")[0] for text in warnings] == told
