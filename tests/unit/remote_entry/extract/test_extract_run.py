"""Windows of a changing table, landed one after the other."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.locks import forbid_locks
from support.played_source import (
    CREATE,
    DATETIME2,
    INSERT,
    INTEGER,
    PlayedServer,
    PlayedSource,
    land,
    landed_ids,
    landed_rows,
    lost_connection,
    run,
    spec_of,
)

from remote_entry.errors import ExtractError, SqlError
from remote_entry.extract.data_set import Window
from remote_entry.extract.landing.documents import Part, Plan
from remote_entry.extract.landing.folder import Attempt, committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.storage.files import Files
from remote_entry.extract.watch import Watch


def test_what_is_told_adds_up_to_what_is_landed(tmp_path: Path, source: PlayedSource) -> None:
    """Rows, bytes and parts, whenever a row group happens to be written."""
    told: list[tuple[int, ...]] = []
    run(source.session, *[INSERT] * 3)
    watch = Watch(lambda *_: None, lambda *counts: told.append(counts), lambda _: None)
    [landed] = extract(spec_of(tmp_path), source, watch).landed
    assert [sum(count) for count in zip(*told, strict=True)] == [6, landed.bytes, landed.parts]


@pytest.mark.parametrize("changes", [{}, INTEGER, DATETIME2])
def test_each_run_lands_what_is_new(
    tmp_path: Path, source: PlayedSource, changes: dict[str, Any]
) -> None:
    """Each row once, in parts of the size that was asked for, by each kind of cursor."""
    spec = spec_of(tmp_path, **changes)
    run(source.session, *[INSERT] * 3)
    first = land(spec, source)
    assert (first.rows, [each.entry.version for each in first.landed]) == (6, [1])
    watermark = first.landed[0].entry.window.hi  # the first value of the next window
    newest = watermark if changes is DATETIME2 else "2024-01-03"
    run(source.session, *[f"INSERT INTO v (at) VALUES ('{newest}')"] * 2)  # noqa: S608 - ours
    assert land(spec, source).rows == 2
    assert sorted(landed_ids(spec)) == list(range(1, 9))
    assert land(spec, source).rows == 0


def test_nothing_new_lands_nothing(tmp_path: Path, source: PlayedSource) -> None:
    """A run without new rowversions leaves no trace."""
    spec = spec_of(tmp_path)
    run(source.session, INSERT)
    land(spec, source)
    before = sorted(tmp_path.rglob("*"))
    assert land(spec, source).landed == ()
    assert sorted(tmp_path.rglob("*")) == before


def test_an_updated_row_comes_again(tmp_path: Path, source: PlayedSource) -> None:
    """Its last state is in the last window."""
    spec = spec_of(tmp_path)
    run(source.session, INSERT)
    land(spec, source)
    run(source.session, "UPDATE v SET a = 7 WHERE id = 1")
    land(spec, source)
    assert [(row[0], str(row[1])) for row in landed_rows(spec)][-1] == (1, "7.0000")
    assert landed_ids(spec) == [1, 2, 1]


def test_a_row_that_is_committed_late_is_not_missed(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """A window ends below the rowversions of open transactions."""
    spec, writer = spec_of(tmp_path), server.session()
    run(writer, "BEGIN TRAN", "INSERT INTO v (a) VALUES (1)")
    run(source.session, INSERT)
    assert land(spec, source).rows == 0
    run(writer, "COMMIT")
    assert land(spec, source).rows == 3
    assert sorted(landed_ids(spec)) == [1, 2, 3]


def test_equal_cursors_stay_in_one_part(tmp_path: Path, source: PlayedSource) -> None:
    """A part is a range of the cursor, whatever rows_per_file says."""
    spec = spec_of(tmp_path, rows_per_file=1, **DATETIME2)
    run(source.session, *[INSERT] * 5)
    land(spec, source)
    files = committed_parts(spec.folder)
    assert [pq.read_metadata(path).num_rows for path in files] == [5, 5]


def test_a_lost_connection_goes_on_behind_the_last_part(
    tmp_path: Path, source: PlayedSource
) -> None:
    """Parts that were committed are not read again, and none is missing."""
    spec = spec_of(tmp_path)
    run(source.session, *[INSERT] * 10)
    failures = [2, 4]

    def breaks(number: int) -> None:
        if failures and number == failures[0]:
            del failures[0]
            raise lost_connection()

    source.meanwhile = breaks
    assert land(spec, source).rows == 20
    assert landed_ids(spec) == list(range(1, 21))
    ranges = [sql for sql in source.asked if "ORDER BY" in sql]
    assert len(ranges) == 3
    assert "q.[rv] >= 0x00000000000007D5" in ranges[1]


def test_a_server_that_never_answers_whole_is_given_up(
    tmp_path: Path, source: PlayedSource
) -> None:
    """The error is the server's; the next run goes on."""
    spec = spec_of(tmp_path)
    run(source.session, *[INSERT] * 4)

    def breaks(_: int) -> None:
        raise lost_connection()

    source.meanwhile = breaks
    with pytest.raises(SqlError, match="reset"):
        land(spec, source)
    assert committed_parts(spec.folder) == []
    source.meanwhile = lambda _: None
    assert land(spec, source).rows == 8


def test_rows_that_came_after_their_window_are_told(tmp_path: Path, source: PlayedSource) -> None:
    """The lag was too short; the next run counts the window again."""
    spec = spec_of(tmp_path, **DATETIME2)
    run(source.session, INSERT)
    assert land(spec, source).late == 0
    run(source.session, "INSERT INTO v (at) VALUES ('2023-05-05')")
    warnings: list[str] = []
    watch = Watch(lambda *_: None, lambda *_: None, warnings.append)
    assert extract(spec, source, watch).late == 1
    assert warnings[0].startswith("1 rows came into [the beginning, ")


def test_without_a_cursor_each_run_is_a_new_version(tmp_path: Path, source: PlayedSource) -> None:
    """Readers see the last one only."""
    spec = spec_of(tmp_path, cursor=None)
    run(source.session, *[INSERT] * 3)
    assert land(spec, source).landed[0].entry.version == 1
    run(source.session, "DELETE FROM v WHERE id = 1")
    assert land(spec, source).landed[0].entry.version == 2
    assert sorted(landed_ids(spec)) == [2, 3, 4, 5, 6]


def test_rows_without_a_cursor_are_refused_or_counted(tmp_path: Path, source: PlayedSource) -> None:
    """No window would hold them."""
    run(source.session, INSERT, "INSERT INTO v (a) VALUES (1)")
    with pytest.raises(ExtractError, match="1 rows have no at"):
        land(spec_of(tmp_path, **DATETIME2), source)
    skipping = {"cursor": {"column": "at", "kind": "datetime2", "nulls": "skip"}}
    outcome = land(spec_of(tmp_path, **skipping), source)
    assert (outcome.rows, outcome.without_cursor) == (2, 1)


def test_rowversions_that_are_none_of_this_database_are_refused(
    tmp_path: Path, source: PlayedSource
) -> None:
    """Of a joined table there may be none; what another one has in flight cannot be seen."""
    run(source.session, INSERT)
    run(
        source.session, "CREATE TABLE u (id int, other rowversion)", "INSERT INTO u (id) VALUES (1)"
    )
    query = "SELECT v.id, u.other AS rv FROM v LEFT JOIN u ON v.id = u.id"
    with pytest.raises(ExtractError, match="1 rows have no rv"):
        land(spec_of(tmp_path, table=None, query=query), source)
    ahead = "SELECT id, CAST(CAST(rv AS bigint) + 100 AS rowversion) AS rv FROM v"
    with pytest.raises(ExtractError, match="rv is up to 0x.*, and this database has given out"):
        land(spec_of(tmp_path, table=None, query=ahead), source)


def test_a_table_that_began_anew_is_told(tmp_path: Path, source: PlayedSource) -> None:
    """Its new rows lie below the watermark."""
    spec = spec_of(tmp_path, **INTEGER)
    run(source.session, *[INSERT] * 3)
    land(spec, source)
    run(source.session, "TRUNCATE TABLE v", INSERT)
    warnings: list[str] = []
    assert extract(spec, source, Watch(lambda *_: None, lambda *_: None, warnings.append)).rows == 0
    assert "the largest id is less than 7, which was reached before" in warnings[-1]


def test_parts_stay_in_order_when_their_numbers_outgrow_five_digits(tmp_path: Path) -> None:
    """The last one says where to go on."""
    plan = Plan(1, 1, Window(), None, "", "", (), 0)
    (tmp_path / "00000001-1/_parts").mkdir(parents=True)
    attempt = Attempt(Files(tmp_path), "00000001-1", plan)
    for index in (99_998, 100_000, 99_999):
        assert attempt.add([Part(0, index, None, 0, 0, "", None, None, None, None, is_last=False)])
    assert [part.index for part in attempt.parts_of(0)] == [99_998, 99_999, 100_000]


def test_parts_of_another_query_are_not_gone_on_with(tmp_path: Path, source: PlayedSource) -> None:
    """Whoever edits the spec after a failure gets the rows of the new one, all of them."""
    run(source.session, *[INSERT] * 6)

    def breaks(number: int) -> None:
        if number == 2:
            raise SqlError("The query failed: no", kind="sql.query")

    source.meanwhile = breaks
    with pytest.raises(SqlError):
        land(spec_of(tmp_path), source)
    source.meanwhile = lambda _: None
    spec = spec_of(tmp_path, table=None, query="SELECT * FROM v WHERE id > 6")
    assert land(spec, source).rows == 6
    assert landed_ids(spec) == list(range(7, 13))


def test_a_part_that_was_lost_to_another_process_is_not_gone_on_from(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """Its boundary is not the winner's: rows between the two would be landed twice."""
    spec, other, writer = spec_of(tmp_path, rows_per_file=2), server.source(), server.session()
    forbid_locks(tmp_path / spec.name)
    run(source.session, *[INSERT] * 4)

    def dies(number: int) -> None:
        if number == 1:
            raise SqlError("The query failed: no", kind="sql.query")

    def overtaken(_: int) -> None:
        source.meanwhile = lambda _: None
        run(writer, "UPDATE v SET a = 9 WHERE id IN (1, 3)")
        other.meanwhile = dies
        with pytest.raises(SqlError):
            land(spec, other)

    source.meanwhile = overtaken
    land(spec, source)
    land(spec, source)
    rows = landed_rows(spec)
    assert len(rows) == len(set(rows))
    assert sorted({row[0] for row in rows}) == list(range(1, 9))


def test_another_database_is_noticed(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """A restored copy's rowversions would be taken for read."""
    spec = spec_of(tmp_path)
    run(source.session, INSERT)
    land(spec, source)
    other = PlayedServer()
    run(other.session(), CREATE)
    with pytest.raises(ExtractError, match="another database, or an older copy"):
        land(spec, other.source())
    other.close()


def test_another_cursor_is_refused(tmp_path: Path, source: PlayedSource) -> None:
    """Its watermark would mean nothing."""
    run(source.session, INSERT)
    land(spec_of(tmp_path), source)
    with pytest.raises(ExtractError, match="is rv rowversion, and the extract's is id integer"):
        land(spec_of(tmp_path, **INTEGER), source)


@pytest.mark.parametrize("content", ['{"format": 1, "rows"', "[]", "{}", '{"format": 1}'])
@pytest.mark.parametrize("document", ["_log/00000001.json", "00000001-1/_MANIFEST.json"])
def test_a_document_that_was_damaged_is_named(
    tmp_path: Path, source: PlayedSource, document: str, content: str
) -> None:
    """And nothing is landed on top of it."""
    spec = spec_of(tmp_path)
    run(source.session, INSERT)
    land(spec, source)
    (tmp_path / "v" / document).write_text(content)
    with pytest.raises(ExtractError, match=f"v is damaged: {document} is ") as caught:
        committed_parts(spec.folder)
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("damage", [b"", b"{", b"{}"])
def test_a_manifest_that_is_not_the_committed_one_is_told(
    tmp_path: Path, source: PlayedSource, damage: bytes
) -> None:
    """Cut off, or another document: readers get no rows of it."""
    run(source.session, INSERT)
    spec = spec_of(tmp_path)
    land(spec, source)
    [manifest] = spec.folder.glob("*/_MANIFEST.json")
    manifest.write_bytes(damage)
    with pytest.raises(ExtractError, match="is damaged") as caught:
        committed_parts(spec.folder)
    assert caught.value.kind == "extract.damaged"


def test_a_data_set_that_cannot_be_read_is_told(tmp_path: Path, source: PlayedSource) -> None:
    """Also where the first look counts what came late."""
    spec = spec_of(tmp_path, **DATETIME2)
    run(source.session, INSERT)
    land(spec, source)
    [entry] = (spec.folder / "_log").glob("*.json")
    entry.unlink()
    entry.mkdir()
    with pytest.raises(ExtractError, match="cannot be written or read"):
        land(spec, source)
