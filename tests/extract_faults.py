"""The fault matrix of an extract: it is broken in one way, run again, and held against the table.

A cell is a real process of `python -m remote_entry extract` on a played Azure, its table behind a
real driver and TLS. What is broken meets the first run only; then rows are added and a second one
runs. In the end the Parquet files that readers read hold the table, each row once, the watermark is
where it belongs, and at no time did a reader see half of a window. The first run's own end, its
exit code and its message, is part of the expectation, and no secret stands in what it wrote.
"""

import itertools
import json
import os
import queue
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from remote_faults import Row
from support.crash_cells import crash_cells, grouped
from support.forked_run import ForkedRun, be_remote_entry, start_the_server
from support.played_source import run as run_sql
from support.sql_session import rows as rows_of
from support.value_encodings import encodings_of
from support.wire import Wire

from remote_entry.extract.files import Files
from remote_entry.extract.keys import kind_of
from remote_entry.extract.landing import Landing, committed_parts
from remote_entry.extract.spec import Spec
from remote_entry.extract.windows import newest
from submitter.emulator import Emulator
from submitter.emulator.sqlserver import system_values
from submitter.emulator.sqlserver.interpreter import Interpreter

SIDE_BY_SIDE = 3
WITHIN = 60.0  # seconds for one run
ROWS = 30_000  # more than a few batches, so that parts are there in mid-stream
MORE = 500
PER_FILE = 5_000
CURSORS = {
    "rowversion": {"column": "rv", "kind": "rowversion"},
    "integer": {"column": "id", "kind": "integer"},
    "datetime2": {"column": "at", "kind": "datetime2", "lag": "0s"},
    "none": None,
}
VAULT = "https://kv-extract.vault.azure.net"
CANARIES = {"user": "canary_reader", "password": "canary;{pass}word'1"}
KILLED = -signal.SIGKILL


@dataclass(frozen=True, eq=False)
class ExtractCell:
    """One fault.

    Attributes:
        where: What fails.
        fault: How.
        exit_code: The first run's; negative for a signal that ended it.
        says: A pattern that its output has to hold.
        cursor: A kind, or ``none`` for a full extract.
        play: Makes it fail, before the run.
        meanwhile: Does something while it runs; it gets the run, too.
        first: Done in the process itself before the program begins.
        spec: What the extract's file says besides.
        variables: What differs among the process's variables; None for one that is not set.
        after: Holds something more in the end; returns what is wrong.
        in_blob: Whether it lands in a blob container, and not on this machine's disk.
        is_alone: Whether it breaks what is shared by all cells.
    """

    where: str
    fault: str
    exit_code: int = 0
    says: str = ""
    cursor: str = "rowversion"
    play: "Callable[[Stage], object]" = lambda _: None
    meanwhile: "Callable[[Stage, ForkedRun], object]" = lambda *_: None
    first: Callable[[], object] | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    after: "Callable[[Stage], str]" = lambda _: ""
    in_blob: bool = False
    is_alone: bool = False

    def __str__(self) -> str:
        return f"{self.where}-{self.fault}-{self.cursor}"


@dataclass
class Stage:
    """Where a cell is played: a table of its own, a folder of its own.

    Attributes:
        azure: The emulator.
        wire: What lies between the runs and the SQL Server.
        writer: A session that owns the database.
        folder: The runs' working directory.
        table: The table's name.
        spec: The extract.
        data: Where its data set lies on this machine, played containers included.
        variables: What the cell's runs have besides.
        seen: What readers saw while the first run went on: numbers of rows.
        met: Tell of each fault whether the first run has met it.
        others: Runs beside the first one; each has to end well.
        pause: The rule by which the server falls silent.
        workers: The first run's, when it was ended.
    """

    azure: Emulator
    wire: Wire
    writer: Interpreter
    folder: Path
    table: str
    spec: Spec
    data: Path
    variables: Mapping[str, str | None]
    seen: list[int] = field(default_factory=list)
    met: list[Callable[[], bool]] = field(default_factory=list)
    others: list[ForkedRun] = field(default_factory=list)
    pause: Any = None
    workers: list[psutil.Process] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the table, with a column so wide that a batch has a few thousand rows only."""
        columns = "id bigint PRIMARY KEY, name nvarchar(4000), at datetime2(7), rv rowversion"
        run_sql(self.writer, f"CREATE TABLE {self.table} ({columns})")
        self.insert(0, ROWS)
        content = self.spec.model_dump(exclude_none=True)
        (self.folder / "extract.yml").write_text(json.dumps(content))

    def break_sql(self, *, times: int = 1, **rule: Any) -> Any:
        """Make the SQL Server fail; the first run has to meet it."""
        added = self.azure.sql.faults.add(times=times, **rule)
        self.met.append(lambda: (added.left or 0) < times)
        return added

    def break_http(self, service: str, match: str, *, times: int = 1, **rule: Any) -> None:
        """Make another service fail; the first run has to meet it."""
        options = rule if "problem" in rule else {"status": None, **rule}
        added = self.azure.faults.add(service, match, times=times, **options)
        self.met.append(lambda: (added.remaining or 0) < times)

    def insert(self, first: int, count: int) -> None:
        """Add rows; but for the first ones, each is of its moment."""
        at = "SYSUTCDATETIME()" if first else "DATEADD(second, n, '2024-01-01')"
        names = pa.table({"n": pa.array(range(first, first + count), pa.int64())})
        source = f"{self.table}_from_{first}"
        self.azure.sql.load("flights", source, names)
        run_sql(
            self.writer,
            f"INSERT INTO {self.table} (id, name, at) SELECT n, CONCAT(N'naïve ', n), "  # noqa: S608
            f"{at} FROM {source}",
            f"DROP TABLE {source}",
        )

    def jump_clock(self, seconds: float) -> None:
        """Let the SQL Server's clock jump."""
        system_values.now = lambda: _NOW() + timedelta(seconds=seconds)

    def start(
        self,
        name: str,
        variables: Mapping[str, str | None] = {},
        first: Callable[[], object] | None = None,
    ) -> ForkedRun:
        """Start `python -m remote_entry extract extract.yml`; its output goes to a file."""
        environ: dict[str, str | None] = {
            **self.azure.environ,
            "SQL_SERVER": f"localhost,{self.wire.port}",
            "SQL_DATABASE": "flights",
            "KEY_VAULT_URL": VAULT,
            "AZURE_SECRET_1": "sql-username",
            "AZURE_SECRET_2": "sql-password",
            "PATH": os.environ["PATH"],
            **self.variables,
            **variables,
        }
        known = {key: value for key, value in environ.items() if value is not None}
        arguments = ("extract", "extract.yml")
        output = str(self.folder / f"{name}.out")
        return ForkedRun(be_remote_entry, arguments, known, self.folder, output, first)

    def said(self, name: str) -> str:
        """Return what a run printed."""
        path = self.folder / f"{name}.out"
        return path.read_text() if path.exists() else ""

    def landed(self) -> list[tuple[int, str]]:
        """Return what readers read, by id."""
        files = committed_parts(self.data)
        tables = [pq.read_table(file, partitioning=None, columns=["id", "name"]) for file in files]
        columns = [table.to_pydict() for table in tables]
        return sorted(row for each in columns for row in zip(each["id"], each["name"], strict=True))

    def look(self) -> None:
        """Note what readers see now."""
        self.seen.append(len(self.landed()))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return a query's rows, as an extract's source does."""
        return rows_of(self.writer, sql)

    def wrong(self) -> Iterator[str]:
        """Say what is wrong with what was landed."""
        sql = f"SELECT id, name FROM {self.table} ORDER BY id"  # noqa: S608 - ours
        expected = rows_of(self.writer, sql)
        landed = self.landed()
        if landed != expected:
            twice = len(landed) - len(set(landed))
            missing = len(set(expected) - set(landed))
            yield f"{len(landed)} rows landed, {twice} of them twice, {missing} missing"
        entries = Landing(Files(self.data)).log()
        windows = [entry.window for entry in entries]
        if self.spec.cursor is None:
            if len({entry.version for entry in entries}) != len(entries):
                yield "two entries of one version"
            return
        if [window.lo for window in windows] != [None, *(window.hi for window in windows[:-1])]:
            yield f"windows {', '.join(map(str, windows))}"
        assert self.spec.cursor_key is not None
        kind = kind_of(self.spec.cursor_key)
        mark = kind.order(kind.checked(str(windows[-1].hi), what="the watermark"))
        end = kind.order(str(newest(self, self.spec)))  # type: ignore[arg-type]
        # The clock goes on; where rowversions and integers end does not.
        if not (mark <= end if kind.name == "datetime2" else mark == end):
            yield f"the watermark is {windows[-1].hi}"


@dataclass(frozen=True)
class Lane:
    """A played Azure for one cell at a time.

    Attributes:
        azure: The emulator.
        wire: What lies between the runs and its SQL Server.
        writer: A session that owns the database.
        folder: Where the lane keeps its files.
    """

    azure: Emulator
    wire: Wire
    writer: Interpreter
    folder: Path

    def run(self, cell: ExtractCell) -> Row:
        """Break one thing, run, add rows, run again, and judge what became of it."""
        self.mend()
        table = f"t{next(_NUMBERS)}"
        folder = self.folder / table
        folder.mkdir()
        fields = {
            "name": "lake",
            "table": table,
            "cursor": CURSORS[cell.cursor],
            "to": f"abfss://lake@emulatorstore.dfs.core.windows.net/{table}"
            if cell.in_blob
            else str(folder / "to"),
            "rows_per_file": PER_FILE,
        }
        spec = Spec.model_validate({**fields, **cell.spec})
        blobs = self.azure._started.state.path / "storage" / "blobs" / "lake" / table
        data = (blobs if cell.in_blob else folder / "to") / spec.name
        variables = _sign_in(cell)
        stage = Stage(self.azure, self.wire, self.writer, folder, table, spec, data, variables)
        stage.prepare()
        started = time.monotonic()
        cell.play(stage)
        first = stage.start("first", cell.variables, cell.first)
        try:
            cell.meanwhile(stage, first)
        finally:
            exit_code = first.end(WITHIN)
            self.mend()
        wrong = list(self._wrong(cell, stage, exit_code))
        stage.insert(ROWS, MORE)
        again = stage.start("again").end(WITHIN)
        if again != 0:
            wrong.append(f"[the second run: exit {again}: {_message_in(stage.said('again'))}]")
        else:
            wrong += [f"[{each}]" for each in stage.wrong()]
            wrong += [f"[{each}]" for each in [cell.after(stage)] if each]
        run_sql(self.writer, f"DROP TABLE {table}")
        seconds = time.monotonic() - started
        got = f"{_ended(exit_code)}{_message_in(stage.said('first'))}"
        kept = f"; again: {MORE + ROWS:,} rows, each once"
        return Row(
            f"extract: {cell.where}",
            f"{cell.fault} ({cell.cursor})" if cell.cursor != "rowversion" else cell.fault,
            f"{_ended(cell.exit_code)}{cell.says}{kept}",
            got + "".join([kept] if not wrong else [f" {each}" for each in wrong]),
            round(seconds, 1),
            ok=not wrong,
        )

    def mend(self) -> None:
        """Let nothing be broken any more."""
        self.azure.faults.clear()
        self.azure.sql.faults.clear()
        self.wire.mend()
        self.azure.expire_leases()
        system_values.now = _NOW

    def _wrong(self, cell: ExtractCell, stage: Stage, exit_code: int | None) -> Iterator[str]:
        """Say what is wrong with the first run."""
        said = stage.said("first")
        if exit_code != cell.exit_code:
            yield f"[expected {_ended(cell.exit_code)}not {_ended(exit_code)}{said[-9000:]}]"
        if not re.search(cell.says, " ".join(said.split())):
            yield f"[it does not say {cell.says!r}: {said[-400:]}]"
        if not all(has_been() for has_been in stage.met):
            yield "[a fault was never met]"
        if any(run.end(WITHIN) for run in stage.others):
            yield f"[the other run: {stage.said('other')[-300:]}]"
        if "Traceback" in said or "Unexpected" in said:
            yield "[traceback]"
        content = said.encode() + b"".join(
            path.read_bytes() for path in (stage.folder / "outputs").rglob("*.json")
        )
        for name, value in {**CANARIES, "client": str(self.azure.environ[SECRET])}.items():
            if encodings := encodings_of(value, content):
                yield f"[LEAK: {name} ({', '.join(encodings)})]"
        if b"eyJ" in content:
            yield "[LEAK: a token]"
        stage.look()
        if set(stage.seen) - {0, ROWS}:
            yield f"[readers saw {stage.seen} rows]"


SECRET = "AZURE_CLIENT_SECRET"
_NUMBERS = itertools.count()
_NOW = system_values.now


def _sign_in(cell: ExtractCell) -> Mapping[str, str | None]:
    """Return how both runs of a cell sign in, if not by password."""
    known = {key: cell.variables[key] for key in ("SQL_AUTH",) if key in cell.variables}
    return {**known, "STORAGE_AUTH": "service-principal"} if cell.in_blob else known


def _ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "hung; "
    if exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name} "
    return f"exit {exit_code}: "


def _message_in(said: str) -> str:
    """Return a run's error, or else what it warned of, in one line."""
    found = re.search(r"error: (.*?)(\n  Next|\Z)", said, re.DOTALL)
    found = found or re.search(r"warning: (.*)", said)
    return " ".join(found[1].split()) if found else ""


def run_cells(cells: Sequence[ExtractCell], side_by_side: int = SIDE_BY_SIDE) -> Iterator[Row]:
    """Run cells, several at the same time and each on a played Azure of its own.

    Args:
        cells: What to run.
        side_by_side: How many at the same time.

    Yields:
        What became of them; those that are alone come last.
    """
    with ExitStack() as stack:
        home = stack.enter_context(memory_folder())
        free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for number in range(min(side_by_side, len(cells))):
            free.put(stack.enter_context(lane(home / f"lane-{number}")))

        def run(cell: ExtractCell) -> Row:
            taken = free.get()
            try:
                return taken.run(cell)
            finally:
                free.put(taken)

        pool = stack.enter_context(ThreadPoolExecutor(side_by_side))
        yield from pool.map(run, [cell for cell in cells if not cell.is_alone])
        yield from map(run, [cell for cell in cells if cell.is_alone])


def crash_rows() -> Iterator[Row]:
    """Kill, overtake or starve a landing at every operation on the disk, in children."""
    kinds = {"killed": "SIGKILL", "overtaken": "overtaken", "disk full": "ENOSPC", "both": "both"}
    with memory_folder() as folder:
        started = time.monotonic()
        cells = crash_cells(folder)
        seconds = round(time.monotonic() - started, 1)
    for (kind, operation), members in grouped(cells):
        short = [cell.found for cell in members if not cell.is_right]
        right = f"{len(members) - len(short)} of {len(members)} steps: then each row once"
        yield Row(
            "extract: landing",
            f"{kinds[kind]} at {operation}",
            f"{len(members)} of {len(members)} steps: then each row once",
            " ".join([right, *short]),
            seconds,
            ok=not short,
        )
        seconds = 0.0  # they ran together


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Make a folder in memory where there is one: SIGKILL does not care whether fsync waits."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def lane(folder: Path) -> Iterator[Lane]:
    """Play an Azure with an empty database."""
    folder.mkdir(parents=True)
    config = {
        "service_principals": [
            {
                "client_id": "44444444-4444-4444-4444-444444444444",
                "storage_role": "Storage Blob Data Contributor",
            }
        ],
        "storage": {"containers": ["lake"]},
        "vaults": {
            "kv-extract": {
                "sql-username": CANARIES["user"],
                "sql-password": CANARIES["password"],
            }
        },
        "sql": {
            "logins": {CANARIES["user"]: {"secret": "sql-password"}},
            "databases": {"flights": {}},
        },
    }
    with Emulator(config, state=folder / "state") as azure:
        start_the_server()
        writer = Interpreter(
            azure.sql._engine, azure.sql._catalog, database="flights", login="owner"
        )
        wire = Wire(azure.sql.port)
        yield Lane(azure, wire, writer, folder)
        wire.go_away()
        writer.close()
