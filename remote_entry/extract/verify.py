"""Whether the rows that were written are the rows that the server has."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.documents import Part
from remote_entry.extract.landing.folder import Attempt
from remote_entry.extract.server.checksums import differences, sums_of_batches, sums_on_server
from remote_entry.extract.server.partitions import conditions_in
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.windows import conditions_of, count_rows
from remote_entry.extract.spec import Spec


@dataclass(frozen=True)
class Verification:
    """The counts of one window.

    Attributes:
        before: What the server counted when the window was planned.
        written: What the Parquet footers say.
        after: What the server counted when all was written.
        compared: How many partitions' columns added up to the same on both sides.
        moved: How many could not be compared: rows had left them for the next window, or without a
            cursor had come or gone.
    """

    before: int
    written: int
    after: int
    compared: int = 0
    moved: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether the files hold what the server has."""
        return self.written == self.after

    def as_json(self) -> dict[str, Any]:
        """Return it for a manifest or a receipt."""
        moved = "left" if self.written > self.after else "came into"
        verdict = "exact" if self.is_exact else f"rows {moved} the window meanwhile"
        return {
            "counted_before": self.before,
            "written": self.written,
            "counted_after": self.after,
            "verdict": verdict,
            "partitions_with_equal_checksums": self.compared,
            "partitions_changed_before_their_checksum": self.moved,
        }


def verify(attempt: Attempt, spec: Spec, source: Source) -> Verification:
    """Compare the counts, and the checksums if the spec asks for them.

    A row that is updated gets a newer cursor: it leaves a window that is being read, and the next
    window has it. So the server may count fewer rows afterwards, but never more, and never were
    there fewer than were written.

    Args:
        attempt: All of its parts are committed.
        spec: The extract.
        source: The server.

    Raises:
        ExtractError: Rows are missing or too many; nobody goes on with the attempt.
    """
    written = sum(_rows_of(attempt, part) for part in attempt.parts())
    after = count_rows(source, spec, attempt.plan.window)
    found = Verification(attempt.plan.counted, written, after)
    low, high = found.after, found.before
    if spec.cursor is None:
        low, high = sorted((low, high))  # rows may come and go while all of them are read
    if found.is_exact or low <= written <= high:
        return _with_checksums(found, attempt, spec, source) if spec.checksum else found
    counts = f"the server counted {found.before} rows before and {after} after {written} were read"
    late = "rows are committed later than cursor.lag allows for: raise it; then "
    hint = late if spec.cursor and spec.cursor.kind != "rowversion" else ""
    raise _wrong(attempt, f"in {attempt.plan.window} {counts}", hint)


def _rows_of(attempt: Attempt, part: Part) -> int:
    """Return how many rows a part's file says it has."""
    if part.file is None:
        return 0
    with attempt.open(part.file) as file:
        rows: int = pq.read_metadata(file).num_rows
    if rows != part.rows:
        where = attempt.files.root / attempt.folder / part.file
        raise _wrong(attempt, f"{where} has {rows} rows and should have {part.rows}", "")
    return rows


def _with_checksums(
    found: Verification, attempt: Attempt, spec: Spec, source: Source
) -> Verification:
    """Compare what each partition's columns add up to."""
    plan = attempt.plan
    for number, partition in enumerate(plan.partitions):
        conditions = [
            *conditions_of(spec, plan.window),
            *conditions_in(plan.partition_key, partition),
        ]
        on_server = sums_on_server(source, spec, conditions, plan.columns)
        in_files = sums_of_batches(_batches(attempt, number), plan.columns)
        if on_server[0] < in_files[0] or (spec.cursor is None and on_server[0] != in_files[0]):
            found = replace(found, moved=found.moved + 1)
            continue
        different = differences(on_server, in_files, plan.columns)
        if different or on_server[0] != in_files[0]:
            raise _wrong(
                attempt,
                f"partition {number} does not add up to what the server has in "
                f"{', '.join(different) or 'its number of rows'}",
                "rows that change without a new cursor while they are read do that, too; ",
            )
        found = replace(found, compared=found.compared + 1)
    return found


def _batches(attempt: Attempt, number: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a partition's files."""
    for part in attempt.parts_of(number):
        if part.file is not None:
            with attempt.open(part.file) as content, pq.ParquetFile(content) as file:
                yield from file.iter_batches()


def _wrong(attempt: Attempt, reason: str, hint: str) -> ExtractError:
    attempt.fail(reason)
    return ExtractError(
        f"The window is not landed: {reason}",
        kind="extract.verification",
        hint=f"{hint}run again: the window is read anew",
    )
