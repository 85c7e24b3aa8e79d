"""Rows → one Parquet file, in row groups of a bounded size.

A row group is cut by its bytes and not by its rows: so it is large enough to be compressed and
read well where rows are small, and bounded in memory where they are wide.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from remote_entry.extract.storage.store import Sink

GROUP_BYTES = 8 * 2**20  # as Arrow has them; compressed it is a fraction
_SAMPLE_ROWS, _SAMPLE_BYTES = 10_000, 2**20  # whichever is less


class RowGroups:
    """The row groups of one file.

    Args:
        file: Where to; the caller finishes it.
        schema: The columns.
        compression: Parquet's.
    """

    def __init__(self, file: Sink, schema: pa.Schema, compression: str) -> None:
        self._sink = pa.PythonFile(file, mode="w")
        self._schema = schema
        self._compression = compression
        self._writer: Any = None
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; they are in the file at the latest when it is closed."""
        self._held.append(batch.replace_schema_metadata(None).cast(self._schema))
        self._bytes += batch.nbytes
        if self._bytes >= GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Write what is held, and the footer."""
        self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        """Close what was begun; the file is of no use."""
        self._held = []
        if self._writer is not None:
            self._writer.close()  # or it would try when it is collected

    def _write_group(self) -> None:
        """Write what is held as a row group."""
        group = pa.Table.from_batches(self._held, self._schema)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._sink,
                self._schema,
                compression=self._compression,
                use_dictionary=_repetitive(group),
            )
        if group.num_rows:
            self._writer.write_table(group, row_group_size=group.num_rows)
        self._held, self._bytes = [], 0


def _repetitive(group: pa.Table) -> list[str]:
    """Return the columns whose values come often: a dictionary makes those smaller.

    The others it makes larger and slower to write.
    """
    fitting = _SAMPLE_BYTES * group.num_rows // max(group.nbytes, 1)
    sample = group.slice(0, min(_SAMPLE_ROWS, max(fitting, 1)))
    return [
        name
        for name in sample.column_names
        if 4 * pc.count_distinct(sample[name], mode="all").as_py() <= 3 * sample.num_rows
    ]
