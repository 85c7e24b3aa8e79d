"""How far an extract is, for people and for logs."""

import io

import pytest

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
        "remote_entry: 30,000 of 100,000 rows, 30 parts, 1.0 MB/s, 70 s left",
        "remote_entry: 60,000 of 100,000 rows, 60 parts, 1.0 MB/s, 40 s left",
    ]


def test_a_terminal_gets_one_line_that_moves() -> None:
    """It is written over, and cleared to its end."""
    said = tell(Terminal(), 3)
    assert said.count("\n") == 1
    assert said.count("\x1b[K\r") == 3


def test_a_line_that_moves_is_no_longer_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that wraps would stay, and so would what is not cleared at the end."""
    monkeypatch.setenv("COLUMNS", "30")
    said = tell(Terminal(), 1).splitlines()[-1]
    assert said == "remote_entry: 1,000 of 100,00\x1b[K"
    terminal, log = Terminal(), io.StringIO()
    Progress(terminal).clear()
    Progress(log).clear()
    assert (terminal.getvalue(), log.getvalue()) == ("\x1b[K\r", "")
