"""Each cell of the run's fault matrix, one test."""

from collections.abc import Mapping

import pytest
from remote_faults import CELLS, RemoteCell, Row, run_cells


@pytest.fixture(scope="module")
def rows(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[RemoteCell, Row]:
    """Run the cells of all selected tests, several at the same time."""
    values = [
        item.callspec.params.get("cell")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    cells = [value for value in values if isinstance(value, RemoteCell)]
    return dict(zip(cells, run_cells(cells, tmp_path_factory.mktemp("lanes")), strict=True))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_fault_in_the_run_is_told_apart_in_bounded_time(
    cell: RemoteCell, rows: Mapping[RemoteCell, Row]
) -> None:
    """The right kind, the right exit code, in time, and no secret anywhere."""
    row = rows[cell]
    assert row.ok, f"{row.expected}; got after {row.seconds} s: {row.got}"


def test_the_matrix_has_sixty_cells_and_more() -> None:
    """Every service has its own."""
    assert len(CELLS) >= 60
    assert len({(cell.service, cell.fault) for cell in CELLS}) == len(CELLS)
