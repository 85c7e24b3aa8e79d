"""The fault matrix of a submit, which `make faults` runs whole: connections that are cut."""

from pathlib import Path

from submit_fault_cells import CELLS, ROUTES, run_cells

QUICK = [
    *(cell for cell in CELLS if cell.fault == "connection cut"),
    *(cell for cell in CELLS if cell.fault == "401" and cell.route in {"start", "description"}),
]


def test_a_broken_route_ends_in_one_run_or_one_message(tmp_path: Path) -> None:
    """And never in a run that nobody was told of."""
    short = [row for row in run_cells(QUICK, tmp_path) if not row.ok]
    assert not short, "\n".join(f"{row.where}, {row.fault}: {row.got}" for row in short)


def test_every_route_of_a_submit_is_broken() -> None:
    """Each once in each way."""
    assert {cell.route for cell in QUICK} == set(ROUTES)
    assert len({str(cell) for cell in CELLS}) == len(CELLS) >= 80
