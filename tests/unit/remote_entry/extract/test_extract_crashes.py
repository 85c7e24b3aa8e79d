"""A landing that is killed, overtaken or both, at every operation on the disk."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "support" / "crash_landing.py"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Make a folder in memory where there is one: SIGKILL does not care whether fsync waits."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


def test_whatever_happens_each_row_is_landed_once(folder: Path) -> None:
    """The next run leaves what one clean run leaves; readers never see half of a window."""
    done = subprocess.run(
        [sys.executable, SCRIPT, folder], capture_output=True, text=True, timeout=150, check=True
    )
    found = json.loads(done.stdout)
    first = list(range(1, found["rows"] + 1))
    everything = list(range(1, found["rows"] + found["more"] + 1))
    wrong = [
        cell
        for cell in found["cells"]
        if not cell["as_told"]
        or not cell["ended_well"]
        or cell["in_the_end"] != everything
        or cell["meanwhile"] not in ([], first)
    ]
    assert wrong == []
    kinds = Counter(cell["kind"] for cell in found["cells"])
    assert (kinds["killed"] > 90, kinds["overtaken"] > 40, kinds["both"]) == (True, True, 42)
    assert kinds["disk full"] == kinds["overtaken"]
