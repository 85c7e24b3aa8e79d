"""Each cell of the fault table, one test."""

from pathlib import Path

import pytest
from faults import CELLS, Cell, run_cell


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.where}-{cell.fault}")
def test_a_fault_is_said_clearly_and_in_bounded_time(cell: Cell, tmp_path: Path) -> None:
    """The right exit code, one message, no traceback."""
    row = run_cell(cell, tmp_path / "cell")
    assert row.ok, f"{row.seconds} s: {row.got}"
