"""Whether the rows that were written are the rows that the server has."""

from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from remote_entry.errors import ExtractError
from remote_entry.extract.landing import Attempt
from remote_entry.extract.spec import Spec


@dataclass(frozen=True)
class Verification:
    """The counts of one window.

    Attributes:
        before: What the server counted when the window was planned.
        written: What the Parquet footers say.
        after: What the server counted when all was written.
    """

    before: int
    written: int
    after: int

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
        }


def verify(attempt: Attempt, spec: Spec, after: int) -> Verification:
    """Compare the counts.

    A row that is updated gets a newer cursor: it leaves a window that is being read, and the next
    window has it. So the server may count fewer rows afterwards, but never more, and never were
    there fewer than were written.

    Args:
        attempt: All of its parts are committed.
        spec: The extract.
        after: What the server counts in the window now.

    Raises:
        ExtractError: Rows are missing or too many; nobody goes on with the attempt.
    """
    written = 0
    for part in attempt.parts():
        if part.file is None:
            continue
        name = f"{attempt.folder}/{part.file}"
        with attempt.files.open(name) as file:
            rows = pq.read_metadata(file).num_rows
        if rows != part.rows:
            where = attempt.files.root / name
            raise _wrong(attempt, f"{where} has {rows} rows and should have {part.rows}", "")
        written += rows
    found = Verification(attempt.plan.counted, written, after)
    low, high = found.after, found.before
    if spec.cursor is None:
        low, high = sorted((low, high))  # rows may come and go while all of them are read
    if found.is_exact or low <= written <= high:
        return found
    counts = f"the server counted {found.before} rows before and {after} after {written} were read"
    late = "rows are committed later than cursor.lag allows for: raise it; then "
    hint = late if spec.cursor and spec.cursor.kind != "rowversion" else ""
    raise _wrong(attempt, f"in {attempt.plan.window} {counts}", hint)


def _wrong(attempt: Attempt, reason: str, hint: str) -> ExtractError:
    attempt.fail(reason)
    return ExtractError(
        f"The window is not landed: {reason}",
        kind="extract.verification",
        hint=f"{hint}run again: the window is read anew",
    )
