"""A file of the snapshot, one that was kept out, and their names in a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from submitter.snapshot.ignoring import Rule

_SHOWN = 5


@dataclass(frozen=True)
class SnapshotFile:
    """One file that travels.

    Attributes:
        source: Where it is on this machine.
        path: Where it will be in the run's working folder.
        size: In bytes.
        rule: The `!pattern` that let it in; `None` where no rule kept it out.
        modified_ns: When its content last changed, in nanoseconds; `None` if nobody looked.
    """

    source: Path
    path: PurePosixPath
    size: int
    rule: Rule | None = None
    modified_ns: int | None = None


@dataclass(frozen=True)
class KeptOut:
    """A file that does not travel, or a folder of which nothing travels but what is listed.

    Attributes:
        path: Where it is in the code folder; a folder's ends with a slash.
        rule: What keeps it out.
    """

    path: str
    rule: Rule


def shown(path: object) -> str:
    """Return a path for a message: as it is, or quoted if it would break the line."""
    text = str(path)
    return text if text.isprintable() and text.strip() == text else ascii(text)


def some(paths: Sequence[object]) -> str:
    """Name the first few of many paths."""
    named = ", ".join(shown(path) for path in paths[:_SHOWN])
    more = len(paths) - _SHOWN
    return f"{named} and {more:,} more" if more > 0 else named
