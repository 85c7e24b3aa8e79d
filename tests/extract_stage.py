"""A cell of an extract's fault matrix, and the stage on which it is played."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from support.forked_run import ForkedRun, be_remote_entry
from support.played_source import run as run_sql
from support.sql_session import rows as rows_of
from support.wire import Wire

from remote_entry.extract.landing.folder import Landing, committed_parts
from remote_entry.extract.server.keys import kind_of
from remote_entry.extract.server.windows import newest
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.files import Files
from submitter.emulator import Emulator
from submitter.emulator.sqlserver import system_values
from submitter.emulator.sqlserver.interpreter import Interpreter

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
NOW = system_values.now


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
        system_values.now = lambda: NOW() + timedelta(seconds=seconds)

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
        output = self.folder / f"{name}.out"
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
