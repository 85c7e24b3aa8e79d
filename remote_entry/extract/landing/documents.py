"""The documents of a data set's folder: plans, parts, and lines of the log; JSON on the way in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column, Key, Partition, Window
from remote_entry.extract.storage.locations import Location

FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """What an attempt is to land.

    Attributes:
        entry: The log's entry that it will become.
        version: The version of the data set; readers read the last one.
        window: The rows.
        cursor: Its column; None without one.
        spec: ``Spec.content_hash``: others may not work on this plan.
        query: ``Spec.query_hash``.
        columns: The query's columns.
        counted: How many rows the server counted in the window when it was planned.
        partition_key: By which column the window is shared; None for one partition of everything.
        partitions: Its shares.
        drift: What has changed of what is read since the last window; empty for nothing.
        is_backfill: Whether the window was asked for by its bounds.
    """

    entry: int
    version: int
    window: Window
    cursor: Key | None
    spec: str
    query: str
    columns: tuple[Column, ...]
    counted: int
    partition_key: Key | None = None
    partitions: tuple[Partition, ...] = (Partition(),)
    drift: str = ""
    is_backfill: bool = False


@dataclass(frozen=True)
class Part:
    """A committed part.

    Attributes:
        partition: The number of its partition, from 0.
        index: Its place there, from 0.
        file: The Parquet file in the attempt's folder; None for a range that turned out empty.
        rows: How many rows it has.
        bytes: Its size.
        sha256: Of its bytes.
        lo: The first value of its range, in what the partition is read by; None for where the
            partition begins.
        hi: The first value behind it; None for where the partition ends.
        min: That value of its first row; None without an order or rows.
        max: That value of its last row.
        is_last: Whether the partition ends with it.
    """

    partition: int
    index: int
    file: str | None
    rows: int
    bytes: int
    sha256: str
    lo: str | None
    hi: str | None
    min: str | None
    max: str | None
    is_last: bool


@dataclass(frozen=True)
class Entry:
    """A line of the log: a window that was landed.

    Attributes:
        number: Its place, from 1.
        version: The data set's version.
        window: What it covers.
        cursor: Its column; None without one.
        query: ``Spec.query_hash``, then.
        columns: The query's columns then.
        folder: Where its manifest lies, in the data set's folder.
        manifest_sha256: Of the manifest's bytes.
        rows: How many rows it has.
    """

    number: int
    version: int
    window: Window
    cursor: Key | None
    query: str
    columns: tuple[Column, ...]
    folder: str
    manifest_sha256: str
    rows: int


def plan_of(document: Mapping[str, Any]) -> Plan:
    """Read a plan."""
    known = _typed(document)
    partition_key = document["partition_key"]
    known["partition_key"] = Key(**partition_key) if partition_key else None
    known["partitions"] = tuple(Partition(**each) for each in document["partitions"])
    return Plan(**known)


def parts_in(document: Mapping[str, Any]) -> list[Part]:
    """Read the parts that a part document or a manifest names."""
    return [Part(**part) for part in document["parts"]]


def entry_of(document: Mapping[str, Any], root: Location) -> Entry:
    """Read a line of the log.

    Args:
        document: The line.
        root: The data set's folder, for the error.

    Raises:
        ExtractError: It is of another version of this program.
    """
    if document["format"] != FORMAT:
        raise ExtractError(
            f"The data set in {root} was written by another version of this program",
            kind="extract.damaged",
            hint="use that version, or extract into a new name",
        )
    known = _typed(document)
    del known["format"]
    return Entry(**known)


def _typed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what plans and entries have in common in their own types, the rest as it is."""
    return {
        **document,
        "window": Window(**document["window"]),
        "cursor": Key(**document["cursor"]) if document["cursor"] else None,
        "columns": tuple(Column(**column) for column in document["columns"]),
    }
