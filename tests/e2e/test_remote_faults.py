"""A third of the run's fault matrix, which `make faults` runs whole."""

from pathlib import Path

from remote_faults import CELLS, run_cells

QUICK = CELLS[::3]


def test_a_fault_in_the_run_is_told_apart_in_bounded_time(tmp_path: Path) -> None:
    """The right kind, the right exit code, in time, and no secret anywhere."""
    short = [row for row in run_cells(QUICK, tmp_path) if not row.ok]
    assert not short, "\n".join(f"{row.where}, {row.fault}: {row.got}" for row in short)


def test_the_matrix_has_sixty_cells_and_more() -> None:
    """Every service has its own, and some of each run here."""
    assert len(CELLS) >= 60
    assert len({(cell.service, cell.fault) for cell in CELLS}) == len(CELLS)
    assert {cell.service for cell in QUICK} == {cell.service for cell in CELLS}
