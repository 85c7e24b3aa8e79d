"""Partitions over several connections: processes, their deaths, and what the server sees."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.played_database import Played, play_numbers, reach
from support.played_source import landed_rows, spec_of

from remote_entry.errors import ExtractError, SqlError
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.server.source import SqlServer
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.processes import Processes

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
    meanwhile: Callable[[Processes], object] = lambda _: None,
    limits: Callable[[], object] = lambda: None,
    **changes: Any,
) -> tuple[Any, list[str]]:
    """Extract in processes.

    Args:
        played: The server.
        folder: Where to.
        meanwhile: Called with the workers whenever rows are written.
        limits: Called in each worker first.
        **changes: Of the spec.

    Returns:
        The spec and the warnings.
    """
    spec = spec_of(folder, **{"partition": PARTITION, "rows_per_file": 500, **changes})
    warnings: list[str] = []

    def open_source() -> SqlServer:
        limits()
        return SqlServer(reach(played.server.port, []), batch_rows=250)

    while played.server.sessions():
        time.sleep(0.01)
    time.sleep(0.3)  # the server's threads end here, and a fork would copy a lock of one for ever
    with Processes(CONNECTIONS, open_source) as workers:
        watch = Watch(lambda *_: None, lambda *_: meanwhile(workers), warnings.append)
        source = SqlServer(reach(played.server.port, []))
        try:
            extract(spec, source, watch, workers=workers)
        finally:
            source.release()
    return spec, warnings


def numbers(spec: Any) -> list[int]:
    """Return what readers read, sorted."""
    return sorted(row[0] or 0 for row in landed_rows(spec))


EXPECTED = sorted(n if n % 999 else 0 for n in range(ROWS))


def test_processes_land_what_one_would(played: Played, tmp_path: Path) -> None:
    """Over no more connections at a time than were asked for, one of them each partition's own."""
    sessions: list[int] = []
    spec, warnings = land_in_processes(
        played,
        tmp_path,
        meanwhile=lambda _: sessions.append(len(played.server.sessions())),
    )
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
    killed: list[int] = []

    def kill(workers: Processes) -> None:
        if not killed:
            killed.append(workers.pids[0])
            os.kill(killed[0], signal.SIGKILL)

    spec, warnings = land_in_processes(played, tmp_path, meanwhile=kill)
    assert numbers(spec) == EXPECTED
    assert "a worker ended with -9; 1 others go on" in warnings


def test_when_all_workers_are_killed_the_next_run_goes_on(played: Played, tmp_path: Path) -> None:
    """And says what may have been short."""

    def kill(workers: Processes) -> None:
        for pid in workers.pids:
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(ExtractError, match="were ended from outside") as caught:
        land_in_processes(played, tmp_path, meanwhile=kill)
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

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    with pytest.raises(ExtractError, match="File too large"):
        land_in_processes(played, tmp_path, limits=full)
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
