"""What to extract, from where to where: a YAML file, checked like a job file.

name: flights
table: dbo.flights            # or query: a SELECT without ORDER BY
cursor: {column: rv, kind: rowversion}
partition: {column: id}       # read over several connections
to: /mnt/lake
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from remote_entry.errors import SpecError
from remote_entry.extract.data_set import Key
from remote_entry.extract.storage.locations import Location, location_of
from remote_entry.marked_yaml import KeyPath, YamlError, complaints, load_file
from remote_entry.reading.reads_only import reads_only

CursorKind = Literal["rowversion", "datetime2", "integer"]
# Its folder's name, too: Azure knows none that ends in a dot.
_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9_-])?$"
Name = Annotated[str, StringConstraints(strict=True, pattern=_NAME)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1)]
Parts = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Connections = Annotated[int, Field(strict=True, ge=1, le=256)]

_LAG = re.compile(r"(\d+)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_SECONDS = 366 * 86400
# name, schema.name, or three parts; each bare or in brackets
_PART = r"(?:\[(?:[^\]]|\]\])+\]|[\w@#$]+)"
_OWN_PARTS = 2
_TABLE = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cursor(_Section):
    """The column by which a run knows what is new.

    Attributes:
        column: Its name.
        kind: How the server orders it.
        lag: How far behind the newest value a window ends, for rows that are committed late:
            a time for datetime2 (``30s``, ``5m``, ``2h``), a number for integers. A rowversion
            needs none: the server knows which transactions are open.
        nulls: Rows without a value are in no window: ``fail`` if there are any, or ``skip`` them.
    """

    column: Text
    kind: CursorKind
    lag: Text | Annotated[int, Field(strict=True)] | None = None
    nulls: Literal["fail", "skip"] = "fail"

    @property
    def lag_amount(self) -> int:
        """The lag in seconds, or in values of an integer."""
        if self.lag is None:
            return 300 if self.kind == "datetime2" else 0
        match = _LAG.fullmatch(str(self.lag).strip())
        assert match is not None  # noqa: S101 - the validator let no other text through
        return int(match[1]) * _SECONDS[match[2]]

    @model_validator(mode="after")
    def _lag_fits_kind(self) -> "Cursor":
        if self.lag is None:
            return self
        match = _LAG.fullmatch(str(self.lag).strip())
        if match is None:
            raise ValueError("'lag' is a time such as 30s, 5m or 2h, or a number for integers.")
        if self.kind == "rowversion":
            raise ValueError("a rowversion needs no 'lag': the server knows what is uncommitted.")
        if self.kind == "integer" and match[2]:
            raise ValueError("the 'lag' of an integer is a number of values, without a unit.")
        if self.kind == "datetime2" and self.lag_amount > _MOST_SECONDS:
            raise ValueError("the 'lag' is longer than a year.")
        return self


class Partitioning(_Section):
    """How a window is read over several connections: in ranges of a column.

    Attributes:
        column: Its name; the first column of an index, or each range is a scan of the table. It
            must not change while it is read, or a row that moves could be met twice or never; with
            a rowversion cursor it may, as a changed row is the next window's.
        parts: How many ranges with about as many rows each; ``auto``: about ``rows_per_file`` each.
            Rows without a value are one more.
        connections: How many read at the same time, over all processes and nodes.
    """

    column: Text
    parts: Parts | Literal["auto"] = "auto"
    connections: Connections = 4


class Spec(_Section):
    """An extract.

    Attributes:
        name: The data set's name, and that of its folder in ``to``.
        query: A SELECT without ORDER BY and without WITH; or else
        table: a table or view, ``schema.name``.
        cursor: By what a run knows what is new; without one each run lands a new version of all.
        partition: By what to read over several connections; without it over one, in the cursor's
            order, for which the server sorts unless the cursor has an index.
        to: A local directory, relative to the working directory, or a folder of a blob container:
            ``abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER``.
        compression: Parquet's.
        rows_per_file: A part ends at the first change of the partition's column, or else the
            cursor, after so many rows.
        on_drift: What a change of the query's columns does: ``fail``; ``add-columns``: go on if
            columns only came, at the end; ``new-version``: land everything anew.
        checksum: Whether the server adds up each partition's columns after it was read, to compare
            with the files: one more reading on both sides (``server.checksums``).
        isolation: The transaction isolation level of the reads, for each connection by itself:
            two snapshots are not of the same moment.
    """

    name: Name
    query: Text | None = None
    table: Text | None = None
    cursor: Cursor | None = None
    partition: Partitioning | None = None
    to: Text
    compression: Literal["zstd", "snappy", "none"] = "zstd"
    rows_per_file: Annotated[int, Field(strict=True, ge=1, le=100_000_000)] = 1_000_000
    on_drift: Literal["fail", "add-columns", "new-version"] = "fail"
    checksum: Annotated[bool, Field(strict=True)] = False
    isolation: Literal["read-committed", "snapshot", "serializable", "read-uncommitted"] = (
        "read-committed"
    )

    @classmethod
    def from_file(cls, path: Path) -> "Spec":
        """Read an extract's file.

        Raises:
            SpecError: With a line for each problem: file, line, nearest right name.
        """
        try:
            document = load_file(path)
        except YamlError as error:
            raise _wrong(str(error)) from None
        if not isinstance(document.data, dict):
            raise _wrong(f"{path}:1: an extract is a mapping with at least 'name' and 'to'.")
        if empty := [keys for keys in document.lines if keys and _at(document.data, keys) is None]:
            say = "has no value: give it one, or leave the key out."
            lines = [
                f"{document.where(keys)}: '{'.'.join(map(str, keys))}' {say}" for keys in empty
            ]
            raise _wrong("\n".join(lines))
        try:
            return cls.model_validate(document.data)
        except ValidationError as error:
            raise _wrong("\n".join(complaints(document, cls, error))) from None

    @property
    def folder(self) -> Location:
        """The data set's folder."""
        return location_of(self.to) / self.name

    @property
    def relation(self) -> str:
        """What to select from, as a FROM clause takes it; its alias is ``q``."""
        inside = self.query or f"SELECT * FROM {self.table}"  # noqa: S608 - checked to be a name
        return f"({inside.strip()}\n) AS q"  # the line's end closes a comment at the query's end

    @property
    def cursor_key(self) -> Key | None:
        """The cursor's column and kind."""
        return Key(self.cursor.column, self.cursor.kind) if self.cursor else None

    @property
    def session_setup(self) -> str:
        """T-SQL that each connection begins with; empty for SQL Server's own isolation level."""
        if self.isolation == "read-committed":
            return ""
        return f"SET TRANSACTION ISOLATION LEVEL {self.isolation.replace('-', ' ').upper()}"

    @property
    def query_hash(self) -> str:
        """A name for the query's text."""
        return hashlib.sha256(self.relation.encode()).hexdigest()[:16]

    @property
    def content_hash(self) -> str:
        """A name for what decides which rows a window holds: only equals may share its parts."""
        cursor = self.cursor.model_dump() if self.cursor else None
        decisive = json.dumps([self.relation, cursor, self.compression], sort_keys=True)
        return hashlib.sha256(decisive.encode()).hexdigest()[:16]

    @field_validator("table")
    @classmethod
    def _table_is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not _TABLE.fullmatch(value):
            raise ValueError("write a name such as dbo.flights or [my schema].[my table].")
        return value

    @field_validator("query")
    @classmethod
    def _query_only_reads(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if re.match(r"\s*with\b", value, re.IGNORECASE):
            raise ValueError("WITH cannot stand in a derived table: make it a view.")
        if value.rstrip().endswith(";") or not reads_only(value):
            raise ValueError("it must be one SELECT that only reads, without a semicolon.")
        return value

    @field_validator("to")
    @classmethod
    def _to_is_a_place(cls, value: str) -> str:
        location_of(value)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> "Spec":
        if (self.query is None) == (self.table is None):
            raise ValueError("give either 'query' or 'table', not both and not neither.")
        return self

    @model_validator(mode="after")
    def _rowversions_are_sure(self) -> "Spec":
        if self.cursor is None or self.cursor.kind != "rowversion":
            return self
        if self.isolation == "read-uncommitted":
            raise ValueError(
                "a rowversion needs committed reads: a row whose change is rolled back later would "
                "be lost. Leave 'isolation' out."
            )
        if self.table is not None and len(re.findall(_PART, self.table)) > _OWN_PARTS:
            raise ValueError(
                "the rowversions of another database are counted there: set SQL_DATABASE to it, "
                "and write schema.name."
            )
        return self


def _at(data: Any, keys: KeyPath) -> Any:
    """Return what a document has at a key path."""
    for key in keys:
        data = data[key]
    return data


def _wrong(message: str) -> SpecError:
    return SpecError(message, kind="extract.spec")
