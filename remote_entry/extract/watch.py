"""Who is told what happens while a window is landed."""

from collections.abc import Callable
from dataclasses import dataclass

from remote_entry.extract.data_set import Window

Note = Callable[[int, int, int], object]


@dataclass(frozen=True)
class Watch:
    """What is called meanwhile.

    Attributes:
        begin: Receives a window, how many rows it has, and how many of them are landed already.
        note: Receives rows and bytes as they are written, and parts as they are committed.
        warn: Receives what was met and overcome.
    """

    begin: Callable[[Window, int, int], object]
    note: Note
    warn: Callable[[str], object]
