"""The rows of one executed query as Arrow batches, whoever brought them."""

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa

Parameters = Mapping[str, Any] | Sequence[Any] | None

QUERY_FAILED = "The query failed"


@dataclass(frozen=True)
class Stream:
    """An executed query.

    Attributes:
        schema: Its columns.
        batches: Its rows, each batch in that schema; raises SqlError.
        close: Lets go of the connection; harmless when called again.
    """

    schema: pa.Schema
    batches: Generator[pa.RecordBatch, None, None]
    close: Callable[[], None]


def hold_back(batches: Iterable[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
    """Yield each batch when the next one, or the proper end, has arrived.

    Where a connection breaks off, a driver hands over what it has, the last row half empty, and
    tells of it afterwards: nobody may take that batch for rows.
    """
    held = None
    for batch in batches:
        if held is not None:
            yield held
        held = batch
    if held is not None:
        yield held


class Batches:
    """The rows of a query, batch by batch; a context manager that closes the connection.

    Also a source of the Arrow PyCapsule protocol: ``pyarrow.RecordBatchReader.from_stream``,
    polars, DuckDB and pyarrow's writers take it as it is.

    Attributes:
        schema: The columns, known before the first row.
    """

    def __init__(self, stream: Stream, first: pa.RecordBatch | None = None) -> None:
        self._stream = stream
        self._first = first
        self.schema = stream.schema

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> pa.RecordBatch:
        batch, self._first = self._first, None
        if batch is not None:
            return batch
        try:
            return next(self._stream.batches)
        except BaseException:
            self.close()  # at the end, too
            raise

    def __enter__(self) -> "Batches":  # noqa: PYI034 - Self is new in Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows over: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html."""
        reader = pa.RecordBatchReader.from_batches(self.schema, self)
        return reader.__arrow_c_stream__(requested_schema)

    def read_all(self) -> pa.Table:
        """Return the rows that are left as one table."""
        return pa.Table.from_batches(list(self), self.schema)

    def close(self) -> None:
        """Let go of the connection; rows that were not read are lost."""
        self._first = None
        if inspect.getgeneratorstate(self._stream.batches) == inspect.GEN_RUNNING:
            # A thread that was left behind is still in it.
            return
        self._stream.batches.close()
        self._stream.close()
