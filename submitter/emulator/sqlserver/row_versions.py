"""The counter behind a database's rowversion columns.

Every row that is inserted or updated in a table with such a column takes the next number, so a
reader finds what changed since its last visit. Numbers of open transactions are remembered:
below the lowest of them nothing can appear any more. Sources: "rowversion", "@@DBTS" and
"MIN_ACTIVE_ROWVERSION (Transact-SQL)".
"""

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator

_BYTES = 8
_BEFORE_FIRST = 2000  # a new database of SQL Server begins with 0x7D1


class RowVersions:
    """Gives out numbers; safe to use from several sessions."""

    def __init__(self) -> None:
        self._changing = threading.RLock()  # held while a statement numbers its rows
        self._counting = threading.Lock()
        self._last = _BEFORE_FIRST
        self._active: dict[Hashable, int] = {}

    @property
    def last(self) -> bytes:
        """@@DBTS: the last number that was given out."""
        with self._counting:
            return as_bytes(self._last)

    @property
    def lowest_active(self) -> bytes:
        """MIN_ACTIVE_ROWVERSION(): numbers below are committed or will never appear."""
        with self._counting:
            return as_bytes(min(self._active.values(), default=self._last + 1))

    @contextlib.contextmanager
    def numbering(self, transaction: Hashable) -> Iterator[tuple[int, Callable[[int], None]]]:
        """Let a statement number its rows.

        Args:
            transaction: Whose numbers they are, until `release`.

        Yields:
            The first number, and what to call with the count of numbers that were used.
        """
        with self._changing:
            with self._counting:
                first = self._last + 1
                self._active.setdefault(transaction, first)
            yield first, self._advance

    def release(self, transaction: Hashable) -> None:
        """Note that a transaction has ended."""
        with self._counting:
            self._active.pop(transaction, None)

    def _advance(self, count: int) -> None:
        with self._counting:
            self._last += count


def as_bytes(number: int) -> bytes:
    """Return a number as binary(8)."""
    return number.to_bytes(_BYTES, "big")
