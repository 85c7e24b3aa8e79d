"""The fault matrix of an extract: it is broken in one way, run again, and held against the table.

A cell is a real process of `python -m remote_entry extract` on a played Azure, its table behind a
real driver and TLS. What is broken meets the first run only; then rows are added and a second one
runs. In the end the Parquet files that readers read hold the table, each row once, the watermark is
where it belongs, and at no time did a reader see half of a window. The first run's own end, its
exit code and its message, is part of the expectation, and no secret stands in what it wrote.
"""

import itertools
import queue
import re
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from extract_stage import CANARIES, CURSORS, MORE, NOW, PER_FILE, ROWS, WITHIN, ExtractCell, Stage
from remote_faults import Row
from support.crash_cells import crash_cells, grouped
from support.forked_run import start_the_server
from support.played_source import run as run_sql
from support.value_encodings import encodings_of
from support.wire import Wire

from remote_entry.extract.spec import Spec
from submitter.emulator import Emulator
from submitter.emulator.sqlserver import system_values
from submitter.emulator.sqlserver.interpreter import Interpreter

SIDE_BY_SIDE = 3


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
        kept = f"then {MORE + ROWS:,} rows, each once"
        outcome = "; ".join(wrong or [kept])
        message = _message_in(stage.said("first"))
        return Row(
            f"extract: {cell.where}",
            f"{cell.fault} ({cell.cursor})" if cell.cursor != "rowversion" else cell.fault,
            f"{_ended(cell.exit_code)}, {kept}: {cell.says}",
            f"{_ended(exit_code)}, {outcome}{': ' if message else ''}{message}",
            round(seconds, 1),
            ok=not wrong,
        )

    def mend(self) -> None:
        """Let nothing be broken any more."""
        self.azure.faults.clear()
        self.azure.sql.faults.clear()
        self.wire.mend()
        self.azure.expire_leases()
        system_values.now = NOW

    def _wrong(self, cell: ExtractCell, stage: Stage, exit_code: int | None) -> Iterator[str]:
        """Say what is wrong with the first run."""
        said = stage.said("first")
        if exit_code != cell.exit_code:
            yield f"[expected {_ended(cell.exit_code)}, not {_ended(exit_code)}: {said[-9000:]}]"
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


def _sign_in(cell: ExtractCell) -> Mapping[str, str | None]:
    """Return how both runs of a cell sign in, if not by password."""
    known = {key: cell.variables[key] for key in ("SQL_AUTH",) if key in cell.variables}
    return {**known, "STORAGE_AUTH": "service-principal"} if cell.in_blob else known


def _ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "hung"
    if exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    return f"exit {exit_code}"


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
