"""How far an extract is, for people and for logs."""

import io

from remote_entry.extract.data_set import Window
from remote_entry.extract.progress import Progress


class Terminal(io.StringIO):
    """A stream that people look at."""

    def isatty(self) -> bool:
        return True


def tell(stream: io.StringIO, seconds: int) -> str:
    """Write 1,000 rows and a megabyte a second; return what was said."""
    now = [0.0]
    progress = Progress(stream, clock=lambda: now[0])
    progress.begin(Window("0", "9"), 100_000, 0)
    for _ in range(seconds):
        now[0] += 1
        progress.note(1_000, 1_000_000, 1)
    return stream.getvalue()


def test_a_log_gets_a_line_every_half_minute() -> None:
    """With the speed and the time that is left."""
    lines = tell(io.StringIO(), 65).splitlines()
    assert lines == [
        "remote_entry: [0, 9): 100,000 rows",
        "remote_entry: 30,000 of 100,000 rows, 30 parts done, 1.0 MB/s written, about 70 s left",
        "remote_entry: 60,000 of 100,000 rows, 60 parts done, 1.0 MB/s written, about 40 s left",
    ]


def test_a_terminal_gets_one_line_that_moves() -> None:
    """It is written over, and cleared to its end."""
    said = tell(Terminal(), 3)
    assert said.count("\n") == 1
    assert said.count("\x1b[K\r") == 3
