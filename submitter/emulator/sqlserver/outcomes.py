"""What running a statement leads to; `session` turns each into tokens."""

import dataclasses
from collections.abc import Iterable, Sequence

import pyarrow as pa

from submitter.emulator.sqlserver.tokens import Command
from submitter.emulator.sqlserver.types import Column


@dataclasses.dataclass(frozen=True)
class ResultSet:
    """Rows of a query, read as they are sent."""

    columns: Sequence[Column]
    batches: Iterable[pa.RecordBatch]


@dataclasses.dataclass(frozen=True)
class EncodedResult:
    """Rows that were encoded before: row tokens and how many rows each piece holds."""

    columns: Sequence[Column]
    pieces: Sequence[tuple[bytes, int]]


@dataclasses.dataclass(frozen=True)
class RowsChanged:
    """A change of data and how many rows it was."""

    command: Command
    count: int


@dataclasses.dataclass(frozen=True)
class Completed:
    """A statement that has nothing to show."""


@dataclasses.dataclass(frozen=True)
class Notice:
    """A message beside the results, such as PRINT's."""

    number: int
    text: str
    severity: int = 0
    state: int = 1


@dataclasses.dataclass(frozen=True)
class DatabaseChanged:
    """USE."""

    new: str
    old: str


@dataclasses.dataclass(frozen=True)
class TransactionBegan:
    """A transaction was opened, by the client or by an implicit-transaction session."""

    descriptor: int


@dataclasses.dataclass(frozen=True)
class TransactionEnded:
    """A transaction was committed or rolled back."""

    descriptor: int
    committed: bool


@dataclasses.dataclass(frozen=True)
class Pause:
    """The answer comes later; a cancel is seen meanwhile."""

    seconds: float


Outcome = (
    ResultSet
    | EncodedResult
    | RowsChanged
    | Completed
    | Notice
    | DatabaseChanged
    | TransactionBegan
    | TransactionEnded
    | Pause
)
