"""Where a log is shown, and what is said about it, without one tearing the other."""

import codecs
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from submitter.cli.output import say


class LogScreen:
    """Shows a log that comes in pieces.

    In a pipe it passes every byte on as it comes. At a terminal a character that a piece's end
    tears apart waits for its other half, and what is said in between begins on a line of its own.

    Args:
        stream: Standard output, or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._out = stream.buffer
        self._decoder = (
            codecs.getincrementaldecoder("utf-8")("replace") if stream.isatty() else None
        )
        self._in_a_line = False
        self._lock = threading.RLock()

    def write(self, piece: bytes) -> None:
        """Show a piece of the log."""
        with self._lock:
            whole = self._decoder.decode(piece).encode() if self._decoder else piece
            self._show(whole)

    def say(self, text: str) -> None:
        """Tell a person what is going on."""
        with self._lock:
            say(f"\n{text}" if self._decoder and self._in_a_line else text)
            self._in_a_line = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Show nothing meanwhile: a person is being asked."""
        with self._lock:
            yield
            self._in_a_line = False

    def finish(self) -> None:
        """Show what is left of a character that never became whole."""
        with self._lock:
            if self._decoder:
                self._show(self._decoder.decode(b"", final=True).encode())

    def _show(self, text: bytes) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._in_a_line = not text.endswith(b"\n")
