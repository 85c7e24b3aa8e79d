"""Each cell of the run's fault matrix, one test."""

from collections.abc import Iterator

import pytest
from remote_faults import CELLS, Lane, RemoteCell, lane


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """Play one Azure for a module; each cell clears the faults of the last one."""
    with lane(tmp_path_factory.mktemp("lane")) as one:
        yield one


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_fault_in_the_run_is_told_apart_in_bounded_time(cell: RemoteCell, played: Lane) -> None:
    """The right kind, the right exit code, in time, and no secret anywhere."""
    row = played.run(cell)
    assert row.ok, f"{row.expected}; got after {row.seconds} s: {row.got}"


def test_the_matrix_has_sixty_cells_and_more() -> None:
    """Every service has its own."""
    assert len(CELLS) >= 60
    assert len({(cell.service, cell.fault) for cell in CELLS}) == len(CELLS)
