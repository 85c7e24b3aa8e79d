"""A window's rows → Parquet parts, each a range of the cursor."""

import contextlib
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from remote_entry.extract.cursors import CursorKind
from remote_entry.extract.data_set import Window
from remote_entry.extract.files import NewFile
from remote_entry.extract.landing import Attempt, Part
from remote_entry.extract.row_groups import RowGroups

Note = Callable[[int, int], object]


@dataclass(frozen=True)
class Shape:
    """How parts look.

    Attributes:
        compression: Parquet's.
        rows_per_file: A part ends at the first change of the cursor after so many rows.
        column: The cursor's; None for none: then a part ends after so many rows.
        kind: The cursor's; None for none.
    """

    compression: str
    rows_per_file: int
    column: str | None = None
    kind: CursorKind | None = None


@dataclass(frozen=True)
class Place:
    """Where an attempt goes on.

    Attributes:
        index: The next part's.
        window: The rows that are left.
    """

    index: int
    window: Window


def place_of(attempt: Attempt) -> Place | None:
    """Return where to go on; None if all parts are committed."""
    parts = attempt.parts()
    if not parts:
        return Place(0, attempt.plan.window)
    if parts[-1].is_last:
        return None
    return Place(len(parts), Window(parts[-1].window.hi, attempt.plan.window.hi))


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
        batches: The rows, in the order of the cursor.
        shape: How parts look.
        note: Receives rows and bytes as they are written.
    """
    draft = _Draft(attempt, place.index, place.window.lo, schema, shape)
    try:
        for batch in batches:
            rest = batch
            while rest.num_rows:
                before = draft.size
                cut = draft.room_in(rest)
                draft.write(rest.slice(0, cut))
                note(cut, draft.size - before)
                rest = rest.slice(cut)
                if not rest.num_rows:
                    break
                hi = draft.cursor_of(rest.slice(0, 1))
                if not draft.commit(hi, is_last=False):
                    return
                draft = draft.next(hi)
        draft.commit(place.window.hi, is_last=True)
    finally:
        draft.abandon()


class _Draft:
    """A part that is being written."""

    def __init__(
        self, attempt: Attempt, index: int, lo: str | None, schema: pa.Schema, shape: Shape
    ) -> None:
        self._attempt = attempt
        self._index = index
        self._lo = lo
        self._schema = schema
        self._shape = shape
        self._name = f"part-{index:05d}-{uuid.uuid4().hex[:12]}.parquet"
        self._file: NewFile | None = None
        self._groups: RowGroups | None = None
        self._rows = 0
        self._min: str | None = None
        self._last: pa.RecordBatch | None = None  # one row

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.size if self._file else 0

    def room_in(self, batch: pa.RecordBatch) -> int:
        """Return how many rows of a batch belong to this part; more only if the cursor stays."""
        first: int = min(max(self._shape.rows_per_file - self._rows, 0), batch.num_rows)
        if first == batch.num_rows or self._shape.column is None:
            return first
        values = batch.column(self._shape.column)
        if first == 0:
            if self._last is not None and not values[0].equals(
                self._last.column(self._shape.column)[0]
            ):
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
            self._min = self.cursor_of(batch.slice(0, 1))
        self._groups.write(batch)
        self._rows += batch.num_rows
        self._last = batch.slice(batch.num_rows - 1)

    def cursor_of(self, row: pa.RecordBatch) -> str | None:
        """Return the cursor of one row as text."""
        if self._shape.kind is None:
            return None
        return self._shape.kind.as_text(row.column(self._shape.column))[0]

    def commit(self, hi: str | None, *, is_last: bool) -> bool:
        """Close the file and commit the part, which ends before ``hi``."""
        size, digest = 0, ""
        if self._groups is not None and self._file is not None:
            self._groups.close()
            self._file.finish()
            size, digest = self._file.size, self._file.sha256
        part = Part(
            index=self._index,
            file=self._name if self._file else None,
            rows=self._rows,
            bytes=size,
            sha256=digest,
            window=Window(self._lo, hi),
            min=self._min,
            max=self.cursor_of(self._last) if self._last is not None else None,
            is_last=is_last,
        )
        return self._attempt.add(part)

    def next(self, lo: str | None) -> "_Draft":
        """Return the part that follows, which begins at ``lo``."""
        return _Draft(self._attempt, self._index + 1, lo, self._schema, self._shape)

    def abandon(self) -> None:
        """Remove the file if it was not finished."""
        if self._file is not None and not self._file.closed:
            if self._groups is not None:
                with contextlib.suppress(OSError, pa.ArrowException):
                    self._groups.abandon()
            self._file.close()
            self._attempt.files.remove(f"{self._attempt.folder}/{self._name}")
