"""A partition's rows → Parquet parts, each a range of what the partition is read by."""

import contextlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Key
from remote_entry.extract.landing.documents import Part
from remote_entry.extract.landing.folder import Attempt
from remote_entry.extract.landing.row_groups import RowGroups
from remote_entry.extract.server.keys import kind_of
from remote_entry.extract.storage.store import Sink
from remote_entry.extract.watch import Note


@dataclass(frozen=True)
class Shape:
    """How parts look.

    Attributes:
        compression: Parquet's.
        rows_per_file: A part ends at the first change of the key after so many rows.
        key: By what the rows are in order; None for nothing: then a part ends after so many rows,
            and all parts of the partition are committed together.
    """

    compression: str
    rows_per_file: int
    key: Key | None = None


@dataclass(frozen=True)
class Place:
    """Where a partition goes on.

    Attributes:
        partition: Its number.
        index: The next part's.
        lo: The first value of the rows that are left; None for all of them.
    """

    partition: int
    index: int = 0
    lo: str | None = None


def place_of(attempt: Attempt, number: int) -> Place | None:
    """Return where a partition goes on; None if all its parts are committed."""
    parts = attempt.parts_of(number)
    if not parts:
        return Place(number)
    if parts[-1].is_last:
        return None
    return Place(number, len(parts), parts[-1].hi)


def write_parts(
    attempt: Attempt,
    place: Place,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    shape: Shape,
    note: Note,
) -> None:
    """Write and commit the rows that are left, unless somebody else commits one of the parts first.

    Args:
        attempt: Whose they are.
        place: Where they begin.
        schema: The files'.
        batches: The rows, in the order of the shape's key.
        shape: How parts look.
        note: Receives rows, bytes and parts as they are written.
    """
    draft = _Draft(attempt, place, schema, shape)
    finished: list[Part] = []
    try:
        for batch in batches:
            rest = batch
            while rest.num_rows:
                before = draft.size
                cut = draft.room_in(rest)
                draft.write(rest.slice(0, cut))
                note(cut, draft.size - before, 0)
                rest = rest.slice(cut)
                if not rest.num_rows:
                    break
                hi = draft.key_of(rest.slice(0, 1))
                before = draft.size
                finished.append(draft.finish(hi, is_last=False))
                note(0, draft.size - before, 1)
                # Nobody could go on behind a part without an order: those are committed together.
                if shape.key is not None:
                    if not attempt.add(finished):
                        return
                    finished.clear()
                draft = draft.next(hi)
        before = draft.size
        finished.append(draft.finish(None, is_last=True))
        if attempt.add(finished):
            note(0, draft.size - before, 1)
    finally:
        draft.abandon()


class _Draft:
    """A part that is being written."""

    def __init__(self, attempt: Attempt, place: Place, schema: pa.Schema, shape: Shape) -> None:
        self._attempt = attempt
        self._place = place
        self._schema = schema
        self._shape = shape
        number = f"{place.partition:05d}-{place.index:05d}"
        self._name = f"part-{number}-{uuid.uuid4().hex[:12]}.parquet"
        self._file: Sink | None = None
        self._groups: RowGroups | None = None
        self._rows = 0
        self._min: str | None = None
        self._last: pa.RecordBatch | None = None  # one row

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.size if self._file else 0

    def room_in(self, batch: pa.RecordBatch) -> int:
        """Return how many rows of a batch belong to this part; more only if the key stays."""
        first: int = min(max(self._shape.rows_per_file - self._rows, 0), batch.num_rows)
        if first == batch.num_rows or self._shape.key is None:
            return first
        column = self._shape.key.column
        values = batch.column(column)
        if first == 0:
            if self._last is not None and not values[0].equals(self._last.column(column)[0]):
                return 0
            first = 1
        changes = pc.not_equal(values[first:], values[first - 1 : -1])
        place = int(pc.index(changes, value=True).as_py())
        return int(batch.num_rows) if place < 0 else first + place

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        if not batch.num_rows:
            return
        if self._groups is None:
            self._file = self._attempt.files.create(f"{self._attempt.folder}/{self._name}")
            self._groups = RowGroups(self._file, self._schema, self._shape.compression)
            self._min = self.key_of(batch.slice(0, 1))
        self._groups.write(batch)
        self._rows += batch.num_rows
        self._last = batch.slice(batch.num_rows - 1)

    def key_of(self, row: pa.RecordBatch) -> str | None:
        """Return the key of one row as text."""
        if self._shape.key is None:
            return None
        return kind_of(self._shape.key).as_text(row.column(self._shape.key.column))[0]

    def finish(self, hi: str | None, *, is_last: bool) -> Part:
        """Close the file and return the part, which ends before ``hi`` or with its partition."""
        size, digest = 0, ""
        if self._groups is not None and self._file is not None:
            self._groups.close()
            self._file.finish()
            size, digest = self._file.size, self._file.sha256
        return Part(
            partition=self._place.partition,
            index=self._place.index,
            file=self._name if self._file else None,
            rows=self._rows,
            bytes=size,
            sha256=digest,
            lo=self._place.lo,
            hi=hi,
            min=self._min,
            max=self.key_of(self._last) if self._last is not None else None,
            is_last=is_last,
        )

    def next(self, lo: str | None) -> "_Draft":
        """Return the part that follows, which begins at ``lo``."""
        place = replace(self._place, index=self._place.index + 1, lo=lo)
        return _Draft(self._attempt, place, self._schema, self._shape)

    def abandon(self) -> None:
        """Remove the file if it was not finished."""
        if self._file is not None and not self._file.closed:
            if self._groups is not None:
                with contextlib.suppress(OSError, pa.ArrowException, ExtractError):
                    self._groups.abandon()
            self._file.discard()
