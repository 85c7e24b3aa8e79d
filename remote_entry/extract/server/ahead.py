"""Batches that a thread of their own fetches while the ones before are being written.

So the server goes on sending while a row group is compressed or the disk is waited for.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from remote_entry.deadline import LOOK_SECONDS

AHEAD_BYTES = 8 * 2**20
_LEAVE_SECONDS = 1.0


@contextmanager
def read_ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Fetch batches up to so many bytes in advance.

    Args:
        batches: Where from; nobody else may use it, or close it, inside the ``with`` block.

    Returns:
        The same batches in the same order. What their source raises comes after the batches before
        it, as if there were no thread.
    """
    shelf = _Shelf()
    thread = threading.Thread(target=_fetch, args=(batches, shelf), name="read-ahead", daemon=True)
    thread.start()
    patience = None
    try:
        yield iter(shelf.take, None)
    except KeyboardInterrupt:  # a server that fell silent must not keep anybody
        patience = _LEAVE_SECONDS
        raise
    finally:
        shelf.give_up()
        thread.join(patience)


def _fetch(batches: Iterable[pa.RecordBatch], shelf: "_Shelf") -> None:
    """Put all batches on the shelf, and how they ended."""
    end: BaseException | None = None
    try:
        for batch in batches:
            if not shelf.put(batch):
                return
    except BaseException as error:  # noqa: BLE001 - it is raised where the rows are wanted
        end = error
    shelf.end(end)


class _Shelf:
    """What was fetched and is not written yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._batches: deque[pa.RecordBatch] = deque()
        self._bytes = 0
        self._is_over = False
        self._is_unwanted = False
        self._error: BaseException | None = None

    def put(self, batch: pa.RecordBatch) -> bool:
        """Add a batch once there is room; False if nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_unwanted or self._bytes < AHEAD_BYTES)
            self._batches.append(batch)
            self._bytes += batch.nbytes
            self._changed.notify_all()
            return not self._is_unwanted

    def end(self, error: BaseException | None) -> None:
        """Say that nothing more comes, and why."""
        with self._changed:
            self._is_over, self._error = True, error
            self._changed.notify_all()

    def take(self) -> pa.RecordBatch | None:
        """Return the next batch; None at the end."""
        with self._changed:
            while not self._changed.wait_for(self._has_news, LOOK_SECONDS):
                continue
            if self._batches:
                batch = self._batches.popleft()
                self._bytes -= batch.nbytes
                self._changed.notify_all()
                return batch
            if self._error is not None:
                raise self._error
            return None

    def give_up(self) -> None:
        """Want nothing more."""
        with self._changed:
            self._is_unwanted = True
            self._changed.notify_all()

    def _has_news(self) -> bool:
        return bool(self._batches) or self._is_over
