"""The contract: partitions that are named are committed when ``read`` returns."""

import errno
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from remote_entry.errors import ExtractError, RemoteEntryError
from remote_entry.extract.landing.folder import Attempt, Landing
from remote_entry.extract.reader import read_partition
from remote_entry.extract.server.source import Source
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.stores import open_store
from remote_entry.extract.watch import Watch


class Workers(Protocol):
    """Reads partitions."""

    def read(self, spec: Spec, attempt: Attempt, numbers: Sequence[int], watch: Watch) -> None:
        """Commit all parts of some partitions of an attempt.

        Args:
            spec: The extract.
            attempt: Whose they are; another process finds it by its folder.
            numbers: Which partitions.
            watch: Is told of rows, parts and failures, in the process that calls.

        Raises:
            RemoteEntryError: The first failure that does not pass; the others are stopped.
            OSError: What is landed in cannot be written.
        """


@dataclass(frozen=True)
class InThisProcess:
    """One partition after the other, over one connection.

    Attributes:
        source: The server.
    """

    source: Source

    def read(self, spec: Spec, attempt: Attempt, numbers: Sequence[int], watch: Watch) -> None:
        """Read them in order."""
        for number in numbers:
            read_partition(spec, self.source, attempt, number, watch)


def read_in_worker(spec: Spec, source: Source, folder: str, number: int, watch: Watch) -> None:
    """Read a partition of an attempt that another process planned.

    Args:
        spec: The extract.
        source: This process's own way to the server.
        folder: The attempt's.
        number: The partition's.
        watch: Is told of rows, parts and failures.
    """
    attempt = Landing(open_store(spec.folder)).attempt(folder)
    read_partition(spec, source, attempt, number, watch)


def portable(error: Exception) -> Exception:
    """Return an error as another process can have it.

    Without what it came from: with Dask imported, that is pickled too, and a driver's own error
    does not survive it.
    """
    if isinstance(error, OSError):
        return OSError(error.errno or errno.EIO, error.strerror or type(error).__name__)
    if isinstance(error, RemoteEntryError):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    traceback.print_exception(error, file=sys.stderr)
    return ExtractError(
        f"A worker failed with {type(error).__name__}",
        kind="extract.worker",
        hint="its traceback is in the log",
    )
