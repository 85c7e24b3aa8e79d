"""The server as an extract sees it: three questions."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from remote_entry.deadline import let_interrupt
from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column
from remote_entry.reading.describe import Declaration

if TYPE_CHECKING:
    from remote_entry.sql.database import Database

BATCH_ROWS = 20_000


class Rows(Protocol):
    """A query's rows: batches, and their schema before the first."""

    schema: pa.Schema

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


class Source(Protocol):
    """Where the rows come from."""

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the few rows of a query."""

    def describe(self, sql: str) -> Declaration:
        """Return what the server declares a query's columns as."""

    def rows(self, sql: str, columns: Sequence[Column]) -> AbstractContextManager[Rows]:
        """Run a query; what breaks off in mid-stream raises SqlError, never looks like the end.

        Args:
            sql: The query.
            columns: What the server declares its columns as.
        """

    def release(self) -> None:
        """Let go of connections that wait for the next question."""


@dataclass(frozen=True)
class SqlServer:
    """A SQL Server, read through ``remote_entry.reading``.

    Attributes:
        database: The way in.
        batch_rows: How many rows are fetched at a time, at most.
    """

    database: "Database"
    batch_rows: int = BATCH_ROWS

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the few rows of a query, over a connection that stays open."""
        from remote_entry.reading.over_pyodbc import read_rows

        connector, engine = self.database.connector, self.database.engine
        found: list[tuple[Any, ...]] = let_interrupt(
            lambda: connector.retry(lambda: read_rows(engine, sql, connector.explain))
        )
        return found

    def describe(self, sql: str) -> Declaration:
        """Return what the server declares a query's columns as.

        Raises:
            SqlError: The server refuses the query.
            ExtractError: It runs the query, but cannot tell the columns' types.
        """
        from remote_entry.reading.describe import describe
        from remote_entry.reading.ways import open_own

        connector, engine = self.database.connector, self.database.engine
        declared: Declaration = let_interrupt(
            lambda: connector.retry(lambda: describe(engine, sql, connector.explain))
        )
        if declared.types:
            return declared
        let_interrupt(
            lambda: open_own(self.database, sql, None, 1)
        ).close()  # what is wrong with it shows here
        raise ExtractError(
            "The server cannot tell the types of the query's columns",
            kind="extract.undescribed",
            hint="leave temporary tables and dynamic SQL out of the query",
        )

    def rows(self, sql: str, columns: Sequence[Column]) -> AbstractContextManager[Rows]:
        """Run a query on a connection of its own."""
        from remote_entry.reading.ways import open_own

        declared = Declaration(
            tuple(column.type for column in columns), tuple(column.name for column in columns)
        )
        return let_interrupt(lambda: open_own(self.database, sql, None, self.batch_rows, declared))

    def release(self) -> None:
        """Close the connection over which values were asked."""
        self.database.engine.dispose()
