"""Windows whose rows change while they are read: what is landed, and what is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.played_source import (
    DATETIME2,
    INSERT,
    INTEGER,
    PlayedServer,
    PlayedSource,
    land,
    landed_ids,
    lost_connection,
    run,
    spec_of,
)

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.folder import committed_parts
from submitter.emulator.sqlserver.interpreter import Interpreter


def at_second_batch(writer: Interpreter, statement: str) -> Callable[[int], object]:
    """Return what changes the table when a part of it was read."""
    return lambda number: run(writer, statement) if number == 1 else None


def test_rows_that_change_while_they_are_read_are_in_the_next_window(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """A second reader of a window takes what is left of it, and the log says so."""
    spec, writer = spec_of(tmp_path), server.session()
    run(source.session, *[INSERT] * 5)

    def moves(number: int) -> None:
        if number == 2:
            run(writer, "UPDATE v SET a = 9 WHERE id = 9")
            raise lost_connection()

    source.meanwhile = moves
    outcome = land(spec, source)
    found = outcome.landed[0].verification
    assert found is not None
    assert (found.before, found.written, found.after) == (10, 9, 9)
    source.meanwhile = lambda _: None
    assert land(spec, source).rows == 1
    assert sorted(landed_ids(spec)) == list(range(1, 11))


def test_a_row_that_was_written_too_late_is_found(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """By the count afterwards; the window is read anew, and then has it."""
    spec, writer = spec_of(tmp_path, **DATETIME2), server.session()
    run(source.session, *[INSERT] * 3)
    source.meanwhile = at_second_batch(writer, "INSERT INTO v (at) VALUES ('2023-05-05')")
    with pytest.raises(
        ExtractError, match="counted 6 rows before and 7 after 6 were read"
    ) as caught:
        land(spec, source)
    assert "raise it" in caught.value.hint
    assert committed_parts(spec.folder) == []
    source.meanwhile = lambda _: None
    assert land(spec, source).rows == 7


def test_a_row_that_was_changed_in_place_does_not_add_up(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """The counts are the same; the sums of its column are not."""
    spec, writer = spec_of(tmp_path, checksum=True, **INTEGER), server.session()
    run(source.session, *[INSERT] * 3)
    source.meanwhile = at_second_batch(writer, "UPDATE v SET a = 9 WHERE id = 1")
    with pytest.raises(ExtractError, match="partition 0 does not add up to .* in a, rv"):
        land(spec, source)
    source.meanwhile = lambda _: None
    [landed] = land(spec, source).landed
    assert landed.verification is not None
    assert (landed.verification.compared, landed.verification.moved) == (1, 0)


def test_a_window_that_failed_leaves_no_rows_behind(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """The attempt that is landed in its place clears away."""
    spec, writer = spec_of(tmp_path, **DATETIME2), server.session()
    run(source.session, *[INSERT] * 3)
    source.meanwhile = lambda n: n or run(writer, "INSERT INTO v (at) VALUES ('2023-05-05')")
    with pytest.raises(ExtractError, match="is not landed"):
        land(spec, source)
    source.meanwhile = lambda _: None
    land(spec, source)
    assert sorted(committed_parts(spec.folder)) == sorted(spec.folder.rglob("*.parquet"))


def test_without_a_cursor_rows_that_came_are_not_compared(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """Nothing is wrong with them: they are of a later moment."""
    spec, writer = spec_of(tmp_path, cursor=None, checksum=True), server.session()
    run(source.session, *[INSERT] * 3)
    source.meanwhile = lambda n: n or run(writer, INSERT)
    [landed] = land(spec, source).landed
    assert landed.verification is not None
    assert (landed.verification.compared, landed.verification.moved) == (0, 1)


def test_rows_that_left_their_window_are_not_compared(
    tmp_path: Path, server: PlayedServer, source: PlayedSource
) -> None:
    """They are the next window's."""
    spec, writer = spec_of(tmp_path, checksum=True), server.session()
    run(source.session, *[INSERT] * 3)
    source.meanwhile = at_second_batch(writer, "UPDATE v SET a = 9 WHERE id = 1")
    [landed] = land(spec, source).landed
    assert landed.verification is not None
    assert (landed.verification.compared, landed.verification.moved) == (0, 1)
