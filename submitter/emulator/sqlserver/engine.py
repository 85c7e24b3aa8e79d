"""DuckDB as the store behind the T-SQL: databases, connections, transactions, errors.

An error ends a DuckDB transaction and does not end a SQL Server one. So a connection keeps
the changes of its open transaction, and after an error repeats them in a new one. What two
transactions both change ends in error 1205, where SQL Server would let one wait.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.sqltypes import BLOB, VARCHAR

from submitter.emulator.sqlserver.errors import SqlError

_BATCH_ROWS = 20_000
_RESERVED = frozenset({"memory", "system", "temp"})

_ERRORS: tuple[tuple[str, int, str, int], ...] = (
    (r"Divide by zero", 8134, "Divide by zero error encountered.", 16),
    (r"CHECK constraint failed.*length\(\"?(\w+)", 2628,
     "String or binary data would be truncated in column '{0}'.", 16),
    (r"CHECK constraint failed on table (\S+)", 547,
     "The statement conflicted with a CHECK constraint in table '{0}'.", 16),
    (r"PRIMARY KEY or UNIQUE constraint violation|Duplicate key|violates (?:primary|unique)",
     2627, "Violation of PRIMARY KEY or UNIQUE KEY constraint. Cannot insert duplicate key.", 14),
    (r"NOT NULL constraint failed: (\S+)", 515,
     "Cannot insert the value NULL into column '{0}'; column does not allow nulls.", 16),
    (r"foreign key", 547, "The statement conflicted with a FOREIGN KEY constraint.", 16),
    (r"TransactionContext Error.*onflict|Conflict on", 1205,
     ("Transaction was deadlocked on lock resources with another process and has been chosen "
      "as the deadlock victim. Rerun the transaction."), 13),
    (r"(?:Table|View) with name \"?([^\s\"!]+)\"? does not exist", 208,
     "Invalid object name '{0}'.", 16),
    (r"Referenced column \"([^\"]+)\" not found", 207, "Invalid column name '{0}'.", 16),
    (r"does not have a column named \"([^\"]+)\"", 207, "Invalid column name '{0}'.", 16),
    (r"Referenced table \"([^\"]+)\" not found", 4104,
     "The multi-part identifier '{0}' could not be bound.", 16),
    (r"Ambiguous reference to column name \"([^\"]+)\"", 209, "Ambiguous column name '{0}'.", 16),
    (r"column \"([^\"]+)\" must appear in the GROUP BY", 8120,
     ("Column '{0}' is invalid in the select list because it is not contained in either an "
      "aggregate function or the GROUP BY clause."), 16),
    (r"already exists", 2714, "There is already an object with that name in the database.", 16),
    (r"out of range|Overflow|overflow", 8115, "Arithmetic overflow error converting expression.",
     16),
    (r"(?:time|date|timestamp) field value", 241,
     "Conversion failed when converting date and/or time from character string.", 16),
    (r"Could not convert string.*to (?:U?INT|BOOL|DECIMAL|DOUBLE|FLOAT)", 245,
     "Conversion failed when converting the value to the target data type.", 16),
    (r"Conversion Error.*UUID", 8169,
     "Conversion failed when converting from a character string to uniqueidentifier.", 16),
    (r"Conversion Error", 245, "Conversion failed when converting the value.", 16),
    (r"More than one row returned by a subquery", 512,
     "Subquery returned more than 1 value.", 16),
    (r"INTERRUPT", 3617, "The request was cancelled.", 16),
)  # fmt: skip
_COMPILED = tuple(
    (re.compile(pattern, re.DOTALL), number, message, severity)
    for pattern, number, message, severity in _ERRORS
)


# DuckDB's own function for what a national string is to SQL Server.
UTF16 = "utf16_bytes"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


class Engine:
    """All databases of one server in one DuckDB instance."""

    def __init__(self) -> None:
        self._instance = duckdb.connect(":memory:")
        self._instance.create_function(UTF16, _utf16, [VARCHAR], BLOB)

    def create_database(self, name: str) -> None:
        """Make an empty database with the schema dbo."""
        if name.lower() in _RESERVED:
            raise SqlError(40000, f"the emulator cannot have a database named {name}")
        cursor = self._instance.cursor()
        cursor.execute(f"ATTACH ':memory:' AS {quoted(name)}")
        cursor.execute(f"CREATE SCHEMA {quoted(name)}.dbo")
        cursor.close()

    def drop_database(self, name: str) -> None:
        """Remove a database and what is in it."""
        self._instance.cursor().execute(f"DETACH {quoted(name)}")

    def connect(self) -> "EngineConnection":
        """Return a connection of its own, with its own transaction and temporary tables.

        Raises:
            SqlError: 6005 if the engine was closed in the meantime.
        """
        try:
            cursor = self._instance.cursor()
        except duckdb.ConnectionException:
            raise SqlError(6005, "SHUTDOWN is in progress.", severity=20) from None
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute("SET default_collation = 'nocase'")
        cursor.execute("SET default_null_order = 'nulls_first_on_asc_last_on_desc'")
        return EngineConnection(cursor)

    def close(self) -> None:
        """Let go of everything."""
        self._instance.close()


@dataclasses.dataclass(frozen=True)
class _Change:
    """What an open transaction did, to be done again."""

    sql: str
    bindings: Mapping[str, Any] = dataclasses.field(repr=False)
    offered: Mapping[str, pa.Table] = dataclasses.field(repr=False)


class EngineConnection:
    """One session's view of the engine."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._writing = False
        self._changes: list[_Change] = []
        self._reader: pa.RecordBatchReader | None = None
        self.in_transaction = False

    def begin(self) -> None:
        """Open a transaction; the engine's own opens at the first change."""
        self.in_transaction = True

    def end(self, *, commit: bool) -> None:
        """Commit or roll back.

        Raises:
            SqlError: The commit failed; everything is rolled back.
        """
        writing = self._writing
        self.in_transaction = self._writing = False
        self._changes.clear()
        self._give_up_reading()
        if writing:
            try:
                self._cursor.execute("COMMIT" if commit else "ROLLBACK")
            except duckdb.Error as problem:
                raise translate(problem) from None

    def offer(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name."""
        self._give_up_reading()
        self._cursor.register(name, table)

    def read(
        self, sql: str, bindings: Mapping[str, Any]
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Run a query; its rows are computed as they are asked for, until the next statement."""
        self._give_up_reading()
        with self._translated_errors():
            # A relation, as a result of execute() would make one more copy of the rows.
            relation = self._cursor.sql(sql, params=dict(bindings) or None)
            reader = self._reader = relation.to_arrow_reader(_BATCH_ROWS)
        return reader.schema, self._batches(reader)

    def change(
        self,
        sql: str,
        bindings: Mapping[str, Any],
        offered: Mapping[str, pa.Table] | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run what changes data or definitions.

        Args:
            sql: DuckDB's text.
            bindings: Its variables.
            offered: Rows that it reads, by the name that it knows them by.

        Returns:
            What the engine says, such as a count.
        """
        change = _Change(sql, bindings, offered or {})
        self._give_up_reading()
        self._open()
        with self._translated_errors():
            rows: list[tuple[Any, ...]] = self._execute(change).fetchall()
        self._remember(change)
        return rows

    def change_returning(self, sql: str, bindings: Mapping[str, Any]) -> pa.Table:
        """Run a change with a RETURNING clause; return its rows."""
        self._give_up_reading()
        self._open()
        with self._translated_errors():
            relation = self._cursor.sql(sql, params=dict(bindings) or None)
            rows: pa.Table = relation.to_arrow_table()
        self._remember(_Change(sql, bindings, {}))
        return rows

    def interrupt(self) -> None:
        """Stop what runs; called from another thread."""
        with contextlib.suppress(duckdb.ConnectionException):  # closed in the meantime
            self._cursor.interrupt()

    def close(self) -> None:
        """Roll back and go."""
        self._cursor.close()

    def _give_up_reading(self) -> None:
        """Let go of rows that nobody reads any more, after an error among them for example."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _open(self) -> None:
        if self.in_transaction and not self._writing:
            with self._translated_errors():
                self._cursor.execute("BEGIN")
            self._writing = True

    def _remember(self, change: _Change) -> None:
        if self._writing:
            self._changes.append(change)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._translated_errors():
            yield from reader

    def _execute(self, change: _Change) -> Any:
        for name, table in change.offered.items():
            self._cursor.register(name, table)
        return self._cursor.execute(change.sql, dict(change.bindings) or None)

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn the engine's errors into SQL Server's and keep the transaction alive."""
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as problem:
            translated = translate(problem)
            if self._writing:
                self._repeat_changes()
            raise translated from None

    def _repeat_changes(self) -> None:
        self._cursor.execute("ROLLBACK")
        self._cursor.execute("BEGIN")
        try:
            for change in self._changes:
                self._execute(change)
        except duckdb.Error as problem:
            self.end(commit=False)
            raise translate(problem) from None


def translate(problem: Exception) -> SqlError:
    """Return SQL Server's error for one of the engine's."""
    text = str(problem)
    first_line = text.splitlines()[0][:200] if text else type(problem).__name__
    for pattern, number, message, severity in _COMPILED:
        match = pattern.search(text)
        if match is not None:
            return SqlError(number, message.format(*match.groups()), severity=severity)
    return SqlError(40000, f"the emulator's engine refused this: {first_line}")


def quoted(name: str) -> str:
    """Return a name as DuckDB quotes it."""
    return '"' + name.replace('"', '""') + '"'
