"""An extract on the ranks of one job: by mpirun, as PyTorch launches, and as a submitted job."""

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.played_database import PASSWORD, Played, play_numbers, reach
from support.played_source import SILENT, spec_of
from support.ranked_job import Job
from support.ranks import Worker, key_of, ranks
from support.shell import CONFIG, Shell, flights_emulator

from remote_entry.__main__ import main
from remote_entry.errors import ExtractError, SettingsError, SqlError
from remote_entry.extract.landing.folder import Attempt, committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.server.source import SqlServer
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.on_ranks import Brought, OnRanks
from remote_entry.extract.workers.ranks import End
from submitter.emulator import Emulator

ROWS = 3_000
CONNECTIONS = 2
PARTITION = {"column": "id", "parts": 5, "connections": CONNECTIONS}
IN_A_PARTITION: dict[str, Any] = {"after_rows": 300, "matching": "ORDER BY q"}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Start a server with a table of numbers."""
    with play_numbers(tmp_path_factory.mktemp("authority"), ROWS) as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder in memory: every part waits for its fsync."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def job(played: Played, folder: Path) -> Iterator[Job]:
    """Make a job; end what is left of it."""
    spec = spec_of(folder / "lake", partition=PARTITION, rows_per_file=500)
    made = Job(played, spec, folder)
    yield made
    played.server.faults.clear()
    made.end()


@pytest.fixture(scope="module")
def on_one_node(played: Played, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Land the same in one process; return the parts."""
    folder = tmp_path_factory.mktemp("one")
    spec = spec_of(folder, partition=PARTITION, rows_per_file=500)
    source = SqlServer(played.database)
    extract(spec, source, SILENT)
    source.release()
    parts = Job(played, spec, folder).contents()
    assert sum(part[4] for part in parts) == ROWS
    assert len({part[0] for part in parts}) == 6
    return parts


def test_ranks_land_what_one_node_would(job: Job, on_one_node: list[Any]) -> None:
    """Part by part; over no more connections than were asked for, though there are more ranks."""
    job.played.server.faults.add(at="query", delay=0.5, matching="ORDER BY q", times=CONNECTIONS)
    job.mpirun(4)
    [(code, log)] = job.ended()
    assert code == 0, log
    assert job.contents() == on_one_node
    assert max(job.sessions) == CONNECTIONS, log
    assert "v: 3,000 rows in" in log
    assert "rank 3 of 4 has nothing to do: ranks 1 to 2 read, by the spec's partition" in log
    for rank in (1, 2):
        assert f"rank {rank} of 4 ends: rank 0 has ended well" in log
    assert PASSWORD not in log
    assert " - INFO - " not in log  # Dask's own news; it may warn, where the machine is slow
    for path in job.folder.rglob("*"):  # with what each rank has in its folder for temporary files
        if path.is_file():
            content = path.read_bytes()
            assert PASSWORD.encode() not in content
            assert b"PRIVATE KEY" not in content
    receipts = [path.relative_to(job.folder).parts[0] for path in job.folder.rglob("v-*.json")]
    assert receipts == ["node-0"]


def test_a_reading_process_that_is_killed_costs_nothing(job: Job, on_one_node: list[Any]) -> None:
    """Its rank starts another, mpirun notices nothing, and the parts are those of a quiet day."""
    stuck = job.played.server.faults.add(at="rows", silent=True, **IN_A_PARTITION)
    job.mpirun(3)
    job.until(lambda: stuck.left == 0 and job.finished() == PARTITION["parts"])
    job.reader().kill()
    [(code, log)] = job.ended()
    assert code == 0, log
    assert "signal 9 ended the process that reads; it starts again" in log
    assert job.contents() == on_one_node
    assert max(job.sessions) <= CONNECTIONS


def test_without_rank_0_the_others_end(job: Job, on_one_node: list[Any]) -> None:
    """Soon, and say why; whoever runs it again goes on to the same result."""
    stuck = job.played.server.faults.add(at="rows", silent=True, **IN_A_PARTITION)
    job.pytorch(2)
    job.until(lambda: stuck.left == 0)
    job.started[0].send_signal(signal.SIGKILL)
    (killed, _), (code, log) = job.ended()
    assert (killed, code) == (-signal.SIGKILL, 7), log
    assert "has gone without a word: rank 1 of 2 ends, too" in log
    assert committed_parts(job.spec.folder) == []
    extract(job.spec, SqlServer(job.played.database), SILENT)
    assert job.contents() == on_one_node


@dataclass
class TwoRanks:
    """Rank 0 is the test; rank 1 is a thread with its own connection."""

    played: Played
    notes: list[tuple[int, int, int]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def land(self, spec: Spec) -> None:
        """Extract; rank 1 reads."""
        with self.workers() as workers:
            watch = Watch(
                lambda *_: None, lambda *note: self.notes.append(note), self.warnings.append
            )
            source = SqlServer(self.played.database)
            extract(spec, source, watch, workers=workers)

    @contextmanager
    def workers(self) -> Iterator[OnRanks]:
        """Open the way to rank 1."""
        first, second = ranks()
        key = key_of("a secret")
        port = self.played.server.port
        brought = Brought(second, lambda: SqlServer(reach(port, []), batch_rows=250), print)
        worker = Worker(second, key, brought)
        try:
            with OnRanks(first, key, CONNECTIONS, print, settling=0) as workers:
                yield workers
        finally:
            assert isinstance(worker.ended(), End)
            if brought.source is not None:
                brought.source.release()


def test_rank_0_hears_of_everything(played: Played, folder: Path, on_one_node: list[Any]) -> None:
    """Rows, bytes, parts, and what a rank met and overcame."""
    played.server.faults.add(at="rows", error=1205, **IN_A_PARTITION)
    two, spec = TwoRanks(played), spec_of(folder, partition=PARTITION, rows_per_file=500)
    two.land(spec)
    rows, size, parts = (sum(each) for each in zip(*two.notes, strict=True))
    assert rows >= ROWS
    assert 0 < size <= sum(path.stat().st_size for path in committed_parts(spec.folder))
    assert parts == len(on_one_node)
    assert sum("going on behind the last part" in text for text in two.warnings) == 1


def test_a_ranks_error_is_the_extracts(played: Played, folder: Path) -> None:
    """With the server's number, its kind and hint; nothing is landed."""
    error = {"error": 8115, "after_rows": 1, "matching": "IS NULL"}
    played.server.faults.add(at="rows", times=None, **error)
    spec = spec_of(folder, partition=PARTITION, rows_per_file=500)
    with pytest.raises(SqlError) as caught:
        TwoRanks(played).land(spec)
    played.server.faults.clear()
    assert (caught.value.number, caught.value.exit_code) == (8115, 6)
    assert committed_parts(spec.folder) == []


def test_a_folder_of_each_nodes_own_is_refused(played: Played, folder: Path) -> None:
    """Whether the other rank sees nothing of the attempt, or rank 0 nothing of its parts."""
    mine, others = (
        spec_of(folder / name, partition=PARTITION, rows_per_file=500) for name in ("a", "b")
    )
    begun: list[Attempt] = []
    planner = Planner(begun)
    with pytest.raises(RuntimeError):
        extract(mine, SqlServer(played.database), SILENT, workers=planner)
    with TwoRanks(played).workers() as workers, pytest.raises(ExtractError) as unseen:
        workers.read(others, begun[0], [0], SILENT)
    shutil.copytree(mine.folder, others.folder)
    with TwoRanks(played).workers() as workers, pytest.raises(ExtractError) as lost:
        workers.read(others, begun[0], [0], SILENT)
    for caught in (unseen, lost):
        assert caught.value.kind == "extract.not-shared"
        assert "'to' must be a store that all nodes share" in caught.value.hint


@dataclass
class Planner:
    """Takes the attempt that it should read."""

    begun: list[Attempt]

    def read(self, spec: Spec, attempt: Attempt, numbers: Any, watch: Watch) -> None:
        self.begun.append(attempt)
        raise RuntimeError


def test_an_extract_over_one_connection_is_rank_0s_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others say so and end, without a secret or Dask."""
    (tmp_path / "extract.yml").write_text(json.dumps({"name": "v", "table": "v", "to": "lake"}))
    place = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "node-0", "MASTER_PORT": "29500"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_SECRET_1", "sql-username")  # reading it, without a vault, ends with 3
    assert main(["extract", str(tmp_path / "extract.yml")]) == 0
    assert "rank 1 of 2 has nothing to do: rank 0 alone reads" in capsys.readouterr().err


def test_without_dask_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every rank, before any secret is read there."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "remote_entry.extract.workers.cluster", raising=False)
    with pytest.raises(SettingsError, match="distributed is not installed") as caught:
        OnRanks(ranks()[0], key_of("a secret"), CONNECTIONS, print)
    assert "add distributed to the environment's conda.yml" in caught.value.hint


DISTRIBUTED = """\
resources: {instance_count: 2}
distribution: {type: pytorch, process_count_per_instance: 1}
environment_variables:
  STORAGE_AUTH: service-principal
"""
SPEC = """\
name: flights
query: SELECT carrier, month, arr_delay FROM dbo.flights
partition: {column: month, parts: 2, connections: 2}
to: abfss://lake@emulatorstore.dfs.core.windows.net/nightly
"""


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start an emulator with a cluster of two nodes, and a container that both may write to."""
    principal = {
        **CONFIG["service_principals"][0],
        "storage_role": "Storage Blob Data Contributor",
    }
    changes = {
        "service_principals": [principal],
        "storage": {"containers": ["lake"]},
        "computes": {"cpu-cluster": {"max_nodes": 2}},
    }
    with flights_emulator(tmp_path_factory.mktemp("emulator"), **changes) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


def test_a_job_of_two_nodes_extracts(shell: Shell) -> None:
    """Into the container that both reach; each reads its own secrets, rank 0 writes the receipt."""
    shell.edit("command: python train.py", "command: python -m remote_entry extract extract.yml")
    shell.edit("environment_variables:\n", DISTRIBUTED)
    shell.write("extract.yml", SPEC)
    done = shell("submit", "job.yml", "--all-logs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 2 connections are used: one for each process of the job but the first" in (
        done.stdout
    )
    assert "rank 1 of 2 reads partition 0 of 00000001-1" in done.stdout
    assert "rank 1 of 2 ends: rank 0 has ended well" in done.stdout
    summary = "std_log_process_0 | flights: 4 rows in 2 parts, up to entry 1 of version 1; receipt "
    assert summary in done.stdout
