"""How far an extract is: a line that moves at a terminal, one line every 30 s in a log."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

from remote_entry.extract.data_set import Window

_NAME = "remote_entry: "
LOG_SECONDS = 30.0
TERMINAL_SECONDS = 0.5


class Progress:
    """Tells rows, megabytes a second and the time left.

    Args:
        stream: Where to.
        clock: Seconds that only grow.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._moves = self._stream.isatty()
        self._every = TERMINAL_SECONDS if self._moves else LOG_SECONDS
        self._expected = 0
        self._began = self._told = clock()
        self._rows = 0
        self._bytes = 0
        self._parts = 0

    def begin(self, window: Window, expected: int, landed: int) -> None:
        """Start with a window.

        Args:
            window: It.
            expected: How many rows it has.
            landed: How many of them another process has landed already.
        """
        self._expected, self._rows, self._bytes, self._parts = expected - landed, 0, 0, 0
        self._began = self._told = self._clock()
        going_on = f", going on behind {landed:,} that are landed" if landed else ""
        self.say(f"{window}: {expected:,} rows{going_on}")

    def note(self, rows: int, size: int, parts: int) -> None:
        """Count rows, the bytes that were written of them, and the parts that are whole."""
        self._rows += rows
        self._bytes += size
        self._parts += parts
        now = self._clock()
        if now - self._told >= self._every:
            self._told = now
            self._show(now - self._began)

    def warn(self, text: str) -> None:
        """Say what was met and overcome."""
        self.say(f"warning: {text}")

    def say(self, line: str) -> None:
        """Write a line."""
        self._write(f"{_NAME}{line}", "\n")

    def clear(self) -> None:
        """Leave nothing of a line that moved."""
        if self._moves:
            self._write("", "\r")

    def _show(self, seconds: float) -> None:
        line = f"{_NAME}{self._rows:,} of {self._expected:,} rows, "
        line += f"{self._parts:,} parts, {self._bytes / seconds / 1e6:.1f} MB/s"
        if self._rows and self._rows < self._expected:
            left = seconds * (self._expected - self._rows) / self._rows
            line += f", {left:.0f} s left"
        if self._moves:  # a line that is wrapped would stay
            self._write(line[: shutil.get_terminal_size().columns - 1], "\r")
        else:
            self._write(line, "\n")

    def _write(self, line: str, end: str) -> None:
        clear = "\x1b[K" if self._moves else ""
        self._stream.write(f"{line}{clear}{end}")
        self._stream.flush()
