"""Random lives of a table: inserts, updates, deletes and late commits between and during runs."""

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.locks import forbid_locks
from support.played_source import (
    PlayedServer,
    land,
    landed_rows,
    lost_connection,
    run,
    spec_of,
)

from remote_entry.extract.storage.stores import open_store

_NUMBER = itertools.count()


class Killed(BaseException):
    """What stands in for SIGKILL here: nothing in the product catches it."""


# What happens to the table: a statement each, by a writer of its own transaction or at once.
CHANGES = st.one_of(
    st.tuples(st.just("insert"), st.integers(1, 4)),
    st.tuples(st.just("update"), st.integers(1, 30)),
)
LIFE = st.lists(
    st.one_of(
        CHANGES,
        st.tuples(st.just("begin late"), st.integers(1, 4)),
        st.tuples(st.just("end late"), st.booleans()),
        st.tuples(st.just("run"), st.none()),
        st.tuples(st.just("run, killed"), st.integers(0, 80)),
        st.tuples(
            st.just("run, overtaken"),
            st.tuples(st.integers(0, 80), CHANGES, st.none() | st.integers(0, 80)),
        ),
        st.tuples(st.just("run, cut off"), st.tuples(st.integers(0, 3), CHANGES)),
    ),
    min_size=3,
    max_size=14,
)
# By a column that stays, or by one that each update moves to another partition.
PARTITION = st.sampled_from([None, {"column": "id", "parts": 2}, {"column": "n", "parts": 3}])


@pytest.fixture(scope="module")
def server() -> Iterator[PlayedServer]:
    """Start one server; each schedule has a table of its own."""
    server = PlayedServer()
    yield server
    server.close()


class Life:
    """A table, who writes to it and who extracts it."""

    def __init__(
        self, server: PlayedServer, folder: Path, partition: dict[str, Any] | None
    ) -> None:
        self.table = f"t{next(_NUMBER)}"
        self.spec = spec_of(
            folder, name=self.table, table=self.table, rows_per_file=2, partition=partition
        )
        self.source, self.writer, self.late = server.source(), server.session(), server.session()
        self.is_late = False
        run(
            self.writer,
            f"CREATE TABLE {self.table} (id int IDENTITY PRIMARY KEY, n int, rv rowversion)",
        )

    def live(self, kind: str, detail: Any) -> None:
        """Let one thing happen."""
        if kind in {"insert", "update"}:
            self.change(self.writer, kind, detail)
        elif kind == "begin late" and not self.is_late:
            run(self.late, "BEGIN TRAN")
            self.change(self.late, "insert", detail)
            self.is_late = True
        elif kind == "end late" and self.is_late:
            run(self.late, "COMMIT" if detail else "ROLLBACK")
            self.is_late = False
        elif kind == "run":
            land(self.spec, self.source)
        elif kind == "run, killed":
            self.interrupted(detail, None, None)
        elif kind == "run, overtaken":
            self.interrupted(*detail)
        elif kind == "run, cut off":
            self.cut_off(*detail)

    def change(self, session: Any, kind: str, detail: int) -> None:
        """Insert so many rows, or update one; a conflict with the late writer is no matter."""
        if kind == "insert":
            values = ", ".join(["(0)"] * detail)
            run(session, f"INSERT INTO {self.table} (n) VALUES {values}")  # noqa: S608 - ours
        else:
            run(session, f"UPDATE {self.table} SET n = n + 1 WHERE id = {detail}")  # noqa: S608

    def interrupted(self, at: int, change: tuple[str, int] | None, other_at: int | None) -> None:
        """Run up to a step; there die, or let the table change and another run overtake.

        That one may be killed in its turn.
        """

        def overtake() -> None:
            if change is None:
                raise Killed
            self.change(self.writer, *change)
            dying = () if other_at is None else (other_at,)
            with contextlib.suppress(Killed):
                self.land_stepwise(at_step(dying, die))

        with contextlib.suppress(Killed):
            self.land_stepwise(at_step((at,), overtake))

    def land_stepwise(self, step: Callable[[str], object]) -> None:
        """Run, and be told before each change on the disk."""
        land(self.spec, self.source, store=open_store(self.spec.folder, step))

    def cut_off(self, batch: int, change: tuple[str, int]) -> None:
        """Run with a connection that breaks once in mid-stream, while the table changes."""
        breaks = [True]

        def meanwhile(number: int) -> None:
            if number == batch and breaks:
                breaks.clear()
                self.change(self.writer, *change)
                raise lost_connection()

        self.source.meanwhile = meanwhile
        try:
            land(self.spec, self.source)
        finally:
            self.source.meanwhile = lambda _: None

    def end(self) -> None:
        """Let the late writer commit, and run for the last time."""
        if self.is_late:
            run(self.late, "COMMIT")
        land(self.spec, self.source)

    def table_rows(self) -> set[tuple[Any, ...]]:
        """Return what the table holds."""
        with self.source.rows(f"SELECT * FROM {self.table}") as rows:  # noqa: S608 - ours
            return {tuple(row.values()) for batch in rows for row in batch.to_pylist()}


def die() -> None:
    """End a run where it is."""
    raise Killed


def at_step(numbers: tuple[int, ...], action: Callable[[], object]) -> Callable[[str], object]:
    """Return a hook that does something before the steps of these numbers."""
    steps = itertools.count()

    def step(_: str) -> None:
        if next(steps) in numbers:
            action()

    return step


@settings(
    max_examples=220,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=LIFE, partition=PARTITION)
def test_no_schedule_loses_or_repeats_a_row(
    server: PlayedServer, schedule: list[tuple[str, Any]], partition: dict[str, Any] | None
) -> None:
    """Each state of a row is landed at most once, and its last one exactly once."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        life = Life(server, Path(folder), partition)
        forbid_locks(Path(folder) / life.spec.name)  # runs overtake each other
        for kind, detail in schedule:
            life.live(kind, detail)
        life.end()
        landed, table = landed_rows(life.spec), life.table_rows()
    assert len(landed) == len(set(landed))
    newest = {row[0]: row for row in landed}  # windows are landed in the order of the rowversion
    assert set(newest.values()) == table
