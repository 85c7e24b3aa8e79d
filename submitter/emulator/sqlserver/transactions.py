"""A session's transactions: the count that T-SQL nests by, and what a rollback undoes."""

from collections.abc import Iterator

from submitter.emulator.sqlserver.catalog import Namespace, Table
from submitter.emulator.sqlserver.engine import EngineConnection
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.outcomes import TransactionBegan, TransactionEnded
from submitter.emulator.sqlserver.row_versions import RowVersions

_FIRST_DESCRIPTOR = 0x3300000000


class Transactions:
    """Opens and ends transactions in the engine and in the catalogue together.

    Args:
        connection: The session's connection to the engine.
        namespace: The session's view of the catalogue.
    """

    def __init__(self, connection: EngineConnection, namespace: Namespace) -> None:
        self._connection = connection
        self._namespace = namespace
        self._descriptor = _FIRST_DESCRIPTOR
        self._undo: list[tuple[Table, Table | None]] = []
        self._held_versions: list[RowVersions] = []
        self.count = 0

    def begin(self) -> Iterator[TransactionBegan]:
        """BEGIN TRANSACTION; an inner one only counts."""
        self.count += 1
        if self.count == 1:
            self._descriptor += 1
            self._connection.begin()
            yield TransactionBegan(self._descriptor)

    def commit(self) -> Iterator[TransactionEnded]:
        """COMMIT; only the outermost one does.

        Raises:
            SqlError: 3902 without a transaction, 1205 for a conflict.
        """
        if not self.count:
            raise SqlError(
                3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        self.count -= 1
        if not self.count:
            yield from self._end(commit=True)

    def roll_back(self) -> Iterator[TransactionEnded]:
        """ROLLBACK of everything.

        Raises:
            SqlError: 3903 without a transaction.
        """
        if not self.count:
            raise SqlError(
                3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        self.count = 0
        yield from self._end(commit=False)

    def abandon(self) -> Iterator[TransactionEnded]:
        """Roll back if there is anything to roll back."""
        if self.count:
            yield from self.roll_back()

    def note(self, table: Table, before: Table | None) -> None:
        """Remember what a table was before this transaction changed its definition."""
        if self.count:
            self._undo.append((table, before))

    def hold_versions(self, versions: RowVersions) -> None:
        """Note a database whose rowversions this transaction has a part in."""
        self._held_versions.append(versions)

    def release_versions_if_over(self) -> None:
        """Let others read past this transaction's rowversions, unless it is still open."""
        if not self.count:
            for versions in self._held_versions:
                versions.release(self)
            self._held_versions.clear()

    def _end(self, *, commit: bool) -> Iterator[TransactionEnded]:
        undo, self._undo = self._undo, []
        try:
            self._connection.end(commit=commit)
        except SqlError:
            self._restore(undo)
            raise
        finally:
            self.release_versions_if_over()
        if not commit:
            self._restore(undo)
        yield TransactionEnded(self._descriptor, commit)

    def _restore(self, undo: list[tuple[Table, Table | None]]) -> None:
        for table, before in reversed(undo):
            if before is None:
                self._namespace.remove(table)
            else:
                self._namespace.define(before)
