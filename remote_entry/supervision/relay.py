"""One output stream of the command, masked on its way to ours."""

import math
import os
import select
import threading
from typing import IO

from remote_entry.deadline import Deadline
from remote_entry.masking import Masker, StreamMasker

CHUNK_BYTES = 65536
PAUSE_SECONDS = 0.02
IDLE_SECONDS_AFTER_EXIT = 0.5
LONGEST_SECONDS_AFTER_EXIT = 10.0


class Relay:
    """Copies a pipe to a descriptor until its end, on a thread of its own.

    Args:
        source: The reading end of the pipe; the relay closes it.
        target: Descriptor to write to.
        masker: Knows what must not be written.
    """

    def __init__(self, source: IO[bytes] | None, target: int, masker: Masker) -> None:
        if source is None:
            raise ValueError("the command was started without a pipe")
        self._source = source
        self._target = target
        self._stream = StreamMasker(masker)
        self._ended, self._end = os.pipe()
        self._rest = Deadline(math.inf)
        self._thread = threading.Thread(target=self._copy, daemon=True, name="remote-entry-relay")
        self._thread.start()

    def command_ended(self) -> None:
        """Take silence for the end from now on, and no output for endless.

        A process that the command left behind may keep the pipe open, or write, for ever.
        """
        self._rest = Deadline(LONGEST_SECONDS_AFTER_EXIT)
        os.close(self._end)

    def join(self) -> None:
        """Wait until the rest of the output is written."""
        self._thread.join()

    def _copy(self) -> None:
        """Read, mask and write until the end of the stream or of its reader."""
        try:
            while chunk := self._next_chunk():
                self._write(self._stream.feed(chunk))
            self._write(self._stream.flush())
        except BrokenPipeError:
            # Nobody reads our output any more: closing the pipe tells the command in turn.
            return
        finally:
            self._source.close()
            os.close(self._ended)

    def _next_chunk(self) -> bytes:
        """Return the next bytes, or none at the end or after silence that follows the exit."""
        readable: list[object] = []
        while not readable:
            pause = PAUSE_SECONDS if self._stream.waiting else None
            readable, _, _ = select.select([self._source, self._ended], [], [], pause)
            if not readable:
                self._write(self._stream.release())
        if self._ended in readable:
            patience = min(IDLE_SECONDS_AFTER_EXIT, self._rest.remaining())
            readable, _, _ = select.select([self._source], [], [], patience)
            if not readable or self._rest.passed:
                return b""
        return os.read(self._source.fileno(), CHUNK_BYTES)

    def _write(self, content: bytes) -> None:
        """Write everything, however many calls it takes."""
        remaining = memoryview(content)
        while remaining:
            try:
                remaining = remaining[os.write(self._target, remaining) :]
            except BlockingIOError:  # whoever started us may have made the descriptor so
                select.select([], [self._target], [])
