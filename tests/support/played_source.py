"""An extract's source without a wire: the played SQL Server's own sessions."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote_entry.errors import SqlError
from remote_entry.extract.data_set import Column
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import Outcome, extract
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.reading.describe import Declaration
from submitter.emulator.sqlserver.catalog import Catalog
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import ResultSet

# Table `v`, and two rows of it, as most tests want it.
CREATE = (
    "CREATE TABLE v (id int IDENTITY PRIMARY KEY, a decimal(9,4), at datetime2(7), rv rowversion)"
)
INSERT = "INSERT INTO v (a, at) VALUES (1.5, '2024-01-01 00:00:00.1234567'), (NULL, '2024-01-02')"
INTEGER = {"cursor": {"column": "id", "kind": "integer"}}
DATETIME2 = {"cursor": {"column": "at", "kind": "datetime2"}}
SILENT = Watch(begin=lambda *_: None, note=lambda *_: None, warn=lambda _: None)


@dataclass
class Streamed:
    """A query's rows in small batches."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


@dataclass
class PlayedSource:
    """Reads from a session.

    Attributes:
        session: Whose.
        batch_rows: How many rows a batch has.
        meanwhile: Called before each batch with its number, from 0; may change the table, or raise.
        asked: Every query.
    """

    session: Interpreter
    batch_rows: int = 3
    meanwhile: Callable[[int], object] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self._table(sql)[1].to_pylist()]

    def describe(self, sql: str) -> Declaration:
        columns = self._table(sql)[0]
        return Declaration(
            tuple(column.type.declaration for column in columns),
            tuple(column.name for column in columns),
        )

    @contextmanager
    def rows(self, sql: str, _: Sequence[Column] = ()) -> Iterator[Streamed]:
        table = self._table(sql)[1]

        def batches() -> Iterator[pa.RecordBatch]:
            for number, batch in enumerate(table.to_batches(max_chunksize=self.batch_rows)):
                self.meanwhile(number)
                yield batch

        yield Streamed(table.schema, batches())

    def release(self) -> None:
        pass

    def _table(self, sql: str) -> tuple[Any, pa.Table]:
        self.asked.append(sql)
        [result] = [each for each in self.session.run(sql) if isinstance(each, ResultSet)]
        batches = list(result.batches)
        untold = pa.schema([(column.name, pa.null()) for column in result.columns])
        return result.columns, pa.Table.from_batches(batches, None if batches else untold)


class PlayedServer:
    """An engine with one database, and as many sessions as are asked for."""

    def __init__(self) -> None:
        self._engine, self._catalog = Engine(), Catalog()
        for name in ("master", "tempdb"):
            self._engine.create_database(name)
            self._catalog.add_database(name)
        self._sessions: list[Interpreter] = []

    def session(self) -> Interpreter:
        """Open a session."""
        self._sessions.append(
            Interpreter(self._engine, self._catalog, database="master", login="reader")
        )
        return self._sessions[-1]

    def source(self) -> PlayedSource:
        """Open a session to extract from."""
        return PlayedSource(self.session())

    def close(self) -> None:
        """Close all."""
        for session in self._sessions:
            session.close()
        self._engine.close()


def run(session: Interpreter, *statements: str) -> None:
    """Run statements."""
    for statement in statements:
        for _ in session.run(statement):
            pass


def lost_connection() -> SqlError:
    """Return what reading raises for a reset in mid-stream."""
    return SqlError("The query failed: reset", kind="sql.connection-lost", transient=True)


def spec_of(folder: Path, **changes: Any) -> Spec:
    """Return an extract of table ``v`` into a folder."""
    fields: dict[str, Any] = {
        "name": "v",
        "table": "v",
        "cursor": {"column": "rv", "kind": "rowversion"},
        "to": str(folder),
        "rows_per_file": 4,
    }
    return Spec.model_validate({**fields, **changes})


def land(spec: Spec, source: PlayedSource, **options: Any) -> Outcome:
    """Extract, and tell nobody."""
    return extract(spec, source, SILENT, **options)


def landed_rows(spec: Spec) -> list[tuple[Any, ...]]:
    """Return everything that readers read, in the order in which it was landed."""
    tables = [pq.read_table(path, partitioning=None) for path in committed_parts(spec.folder)]
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def landed_ids(spec: Spec) -> list[int]:
    """Return the first column of it."""
    return [row[0] for row in landed_rows(spec)]
