"""The fault matrix of an extract, which `make faults` runs whole: one cell of each sort."""

from collections import Counter

from extract_fault_cells import CELLS
from extract_faults import run_cells

QUICK = {
    "SIGKILL of the run-after two parts-rowversion",
    "stopped-Ctrl-C while the server plans-rowversion",
    "stopped-SIGTERM while it verifies-rowversion",
    "abfss-SIGTERM in mid-stream-rowversion",
    "connection-closed in half a packet, late-rowversion",
    "mid-stream-8115-none",
    "disk-a file may not grow (RLIMIT_FSIZE)-rowversion",
    "two at once-one overtakes after two parts, no lock-integer",
    "two at once-one waits for the other-rowversion",
}


def test_whatever_breaks_each_row_is_landed_once() -> None:
    """The error is a clear one, and the next run leaves what one clean run leaves."""
    cells = [cell for cell in CELLS if str(cell) in QUICK]
    assert len(cells) == len(QUICK)
    short = [row for row in run_cells(cells, side_by_side=1) if not row.ok]
    assert not short, "\n".join(f"{row.where}, {row.fault}: {row.got}" for row in short)


def test_every_cell_is_another_one() -> None:
    """And every kind of cursor is among them."""
    assert len({str(cell) for cell in CELLS}) == len(CELLS) >= 70
    assert min(Counter(cell.cursor for cell in CELLS).values()) >= 8
    assert set(Counter(cell.cursor for cell in CELLS)) == {
        *("rowversion", "integer", "datetime2", "none")
    }
