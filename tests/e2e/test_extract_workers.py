"""Partitions over several connections: processes, their deaths, and what the server sees."""

import os
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Literal

import pytest
from support.forked_run import ForkedRun
from support.land_in_workers import Asked, Told, land_in_workers
from support.played_database import Played, play_numbers, reach
from support.played_source import landed_rows, spec_of

from remote_entry.errors import ExtractError, SqlError
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.server.source import SqlServer
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch

ROWS = 6_000
CONNECTIONS = 2
PARTITION = {"column": "id", "parts": 6, "connections": CONNECTIONS}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Start a server with a table of numbers."""
    with play_numbers(tmp_path_factory.mktemp("authority"), ROWS) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_left_over(played: Played) -> Iterator[None]:
    """Let no fault rule outlive its test."""
    yield
    played.server.faults.clear()


def land_in_processes(
    played: Played,
    folder: Path,
    *,
    killed: Literal["nobody", "one", "all"] = "nobody",
    file_bytes: int | None = None,
    sessions: list[int] | None = None,
) -> tuple[Spec, list[str]]:
    """Extract in processes.

    Args:
        played: The server.
        folder: Where to.
        killed: Who is killed as soon as rows are written.
        file_bytes: How large a file may become.
        sessions: Receives how many the server had, whenever it was looked at.

    Returns:
        The spec and the warnings.
    """
    spec = spec_of(folder, partition=PARTITION, rows_per_file=500)
    authority = Path(os.environ["SSL_CERT_FILE"])
    asked = Asked(spec, played.server.port, authority, CONNECTIONS, killed, file_bytes)
    ours, theirs = Pipe()
    with ours, theirs:
        run = ForkedRun(land_in_workers, asked, theirs)
        while not run.has_ended(within=0.01):
            (sessions if sessions is not None else []).append(len(played.server.sessions()))
        assert run.end(within=0) == 0
        told: Told = ours.recv()
    if told.error is not None:
        raise told.error
    return spec, told.warnings


def numbers(spec: Any) -> list[int]:
    """Return what readers read, sorted."""
    return sorted(row[0] or 0 for row in landed_rows(spec))


EXPECTED = sorted(n if n % 999 else 0 for n in range(ROWS))


def test_processes_land_what_one_would(played: Played, tmp_path: Path) -> None:
    """Over no more connections at a time than were asked for, one of them each partition's own."""
    played.server.faults.add(at="query", delay=0.2, matching="ORDER BY q", times=CONNECTIONS)
    sessions: list[int] = []
    spec, warnings = land_in_processes(played, tmp_path, sessions=sessions)
    assert numbers(spec) == EXPECTED
    assert len(committed_parts(spec.folder)) >= 6
    assert max(sessions) == CONNECTIONS
    assert warnings == [
        "no index of v begins with id: the server scans the table once for each partition"
    ]


def test_a_worker_that_is_killed_costs_its_partition_a_second_reading(
    played: Played, tmp_path: Path
) -> None:
    """The other one takes it; the files are those of a quiet day."""
    spec, warnings = land_in_processes(played, tmp_path, killed="one")
    assert numbers(spec) == EXPECTED
    assert "a worker ended with -9; 1 others go on" in warnings


def test_when_all_workers_are_killed_the_next_run_goes_on(played: Played, tmp_path: Path) -> None:
    """And says what may have been short."""
    with pytest.raises(ExtractError, match="were ended from outside") as caught:
        land_in_processes(played, tmp_path, killed="all")
    assert "lower partition.connections" in caught.value.hint
    spec, _ = land_in_processes(played, tmp_path)
    assert numbers(spec) == EXPECTED


def test_a_deadlock_is_one_partitions_own(played: Played, tmp_path: Path) -> None:
    """It goes on behind its last part; nobody else notices."""
    played.server.faults.add(at="rows", error=1205, after_rows=300, matching="ORDER BY")
    spec, warnings = land_in_processes(played, tmp_path)
    assert numbers(spec) == EXPECTED
    assert sum("going on behind the last part" in text for text in warnings) == 1


def test_a_workers_error_is_the_extracts(played: Played, tmp_path: Path) -> None:
    """With the server's number; nothing is landed."""
    played.server.faults.add(at="rows", error=8115, after_rows=1, matching="IS NULL", times=None)
    with pytest.raises(SqlError) as caught:
        land_in_processes(played, tmp_path)
    assert caught.value.number == 8115
    assert committed_parts(tmp_path / "v") == []


def test_a_full_disk_in_a_worker_is_told(played: Played, tmp_path: Path) -> None:
    """As in one process, and the next run goes on."""
    with pytest.raises(ExtractError, match="File too large"):
        land_in_processes(played, tmp_path, file_bytes=1_000)
    spec, _ = land_in_processes(played, tmp_path)
    assert numbers(spec) == EXPECTED


@pytest.mark.parametrize(("isolation", "level"), [("snapshot", 5), ("read-committed", 2)])
def test_each_connection_has_the_isolation_level(
    played: Played, tmp_path: Path, isolation: str, level: int
) -> None:
    """By whatever driver it reads."""
    spec = spec_of(tmp_path, isolation=isolation, rows_per_file=5_000)
    levels: set[int] = set()
    watch = Watch(
        begin=lambda *_: None,
        note=lambda *_: levels.update(each.isolation for each in played.server.sessions()),
        warn=lambda _: None,
    )
    for query in ("SELECT id, rv FROM v", "SELECT id, rv, CAST(name AS nvarchar(max)) AS n FROM v"):
        changed = spec.model_copy(update={"table": None, "query": query, "name": f"v{len(query)}"})
        source = SqlServer(reach(played.server.port, [], setup=changed.session_setup))
        extract(changed, source, watch)
        source.release()
    assert levels == {level}
