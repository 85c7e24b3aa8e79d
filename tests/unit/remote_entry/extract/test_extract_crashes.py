"""A landing that is killed, overtaken or both, at every operation on the disk."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.crash_cells import crash_cells


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Make a folder in memory where there is one: SIGKILL does not care whether fsync waits."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


def test_whatever_happens_each_row_is_landed_once(folder: Path) -> None:
    """The next run leaves what one clean run leaves; readers never see half of a window."""
    cells = crash_cells(folder)
    assert [cell for cell in cells if not cell.is_right] == []
    kinds = Counter(cell.kind for cell in cells)
    assert (kinds["killed"] > 90, kinds["overtaken"] > 40, kinds["both"]) == (True, True, 42)
    # Where two runs meet, the data set's own folder is there already: one step in three counts.
    assert kinds["disk full"] == kinds["overtaken"] + 3
