"""What `crash_landing` found, judged: one cell for each step that it was killed or overtaken at."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class CrashCell:
    """A landing to which something happened at one step.

    Attributes:
        kind: What: ``killed``, ``overtaken``, ``disk full`` or ``both``.
        step: Before which operation on the disk.
        is_right: Whether every row was landed once in the end, and no reader saw half of a window.
        found: What was found, for whoever has to mend it.
    """

    kind: str
    step: str
    is_right: bool
    found: str

    @property
    def group(self) -> tuple[str, str]:
        """What the table of faults shows as one row."""
        if self.kind == "both":
            return self.kind, "two processes, each at a step"
        words = self.step.split()
        return self.kind, " ".join(words[: 2 if words[:2] == ["fsync", "folder"] else 1])


def crash_cells(folder: Path) -> list[CrashCell]:
    """Go through all steps in a process of its own; it takes some seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "support.crash_landing", folder],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    found = json.loads(done.stdout)
    first = list(range(1, found["rows"] + 1))
    everything = list(range(1, found["rows"] + found["more"] + 1))
    return [
        CrashCell(
            cell["kind"],
            cell["step"],
            is_right=cell["as_told"]
            and cell["ended_well"]
            and cell["in_the_end"] == everything
            and cell["meanwhile"] in ([], first),
            found=json.dumps(cell),
        )
        for cell in found["cells"]
    ]


def grouped(cells: Sequence[CrashCell]) -> Iterator[tuple[tuple[str, str], list[CrashCell]]]:
    """Yield the cells of each kind and operation."""
    ordered = sorted(cells, key=lambda cell: cell.group)
    for group, members in groupby(ordered, key=lambda cell: cell.group):
        yield group, list(members)
