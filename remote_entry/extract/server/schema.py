"""An extract's columns as the server's catalogue declares them, and what a change of them does.

How SQL Server's types become Parquet's is told in ``remote_entry.reading.result_types``; nothing is
inferred from the data. What does not fit has one rule: a datetime2's or time's seventh digit is cut
off, and of a datetimeoffset the UTC instant is kept. Each Parquet field carries the declared type
as its metadata ``sql_type``.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column
from remote_entry.extract.server.keys import kind_of
from remote_entry.extract.spec import Spec
from remote_entry.marked_yaml import nearest
from remote_entry.reading.describe import Declaration


@dataclass(frozen=True)
class Drift:
    """How what is read differs from what was landed last.

    Attributes:
        added: New columns at the end.
        removed: Columns that are gone.
        changed: Columns whose type or place is another, as ``name old → new``.
        is_other_query: Whether the table, or the query's text, is another.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    is_other_query: bool = False

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.is_other_query)

    def __str__(self) -> str:
        columns = (("new", self.added), ("gone", self.removed), ("changed", self.changed))
        parts = [f"{word}: {', '.join(names)}" for word, names in columns if names]
        return "; ".join([*parts, "another table or query"] if self.is_other_query else parts)

    @property
    def only_adds(self) -> bool:
        """Whether everything that was there is still there, and in its place."""
        return not self.removed and not self.changed


def columns_of(declared: Declaration, spec: Spec) -> tuple[Column, ...]:
    """Return the query's columns.

    Raises:
        ExtractError: A column has no name, another's name or a type that no file can hold, or the
            cursor is none of them or of another kind.
    """
    columns = tuple(map(Column, declared.names, declared.types))
    for position, column in enumerate(columns, 1):
        if not column.name:
            raise _unfit(f"column {position} has no name", "name it with AS in the query")
        if not column.type:
            raise _unfit(f"{column.name} is of a CLR type", "cast it to text or bytes in the query")
        if column.type == "sql_variant":
            raise _unfit(f"{column.name} is sql_variant", "cast it to one type in the query")
    name, times = Counter(column.name for column in columns).most_common(1)[0]
    if times > 1:
        raise _unfit(f"{times} columns are called {name}", "rename them with AS in the query")
    _check_cursor(columns, spec)
    return columns


def find_column(columns: Sequence[Column], name: str, *, asked_by: str) -> Column:
    """Return the column of a name.

    Args:
        columns: The query's.
        name: Which.
        asked_by: The spec's key that names it, for the error.

    Raises:
        ExtractError: There is none.
    """
    known = {column.name: column for column in columns}
    if name in known:
        return known[name]
    raise _unfit(
        f"it has no column '{name}'.{nearest(name, known)} It has: {', '.join(known)}",
        f"correct {asked_by}; upper and lower case matter",
    )


def find_drift(old: Sequence[Column], new: Sequence[Column]) -> Drift:
    """Compare the columns that were landed last with the query's."""
    known = {column.name: column for column in old}
    now = {column.name: column for column in new}
    kept_order = [column.name for column in new if column.name in known]
    changed = [
        f"{name} {known[name].type} → {column.type}"
        for name, column in now.items()
        if name in known and known[name].type != column.type
    ]
    expected_order = [column.name for column in old if column.name in now]
    if kept_order != expected_order or [c.name for c in new][: len(kept_order)] != kept_order:
        changed.append("the order of the columns")
    return Drift(
        added=tuple(name for name in now if name not in known),
        removed=tuple(name for name in known if name not in now),
        changed=tuple(changed),
    )


def refuse_drift(drift: Drift, spec: Spec) -> None:
    """Raise if the spec does not let the change through.

    Another query may be the old one with more columns; another table's rows are others.

    Raises:
        ExtractError: With what has changed.
    """
    if not drift or spec.on_drift == "new-version":
        return
    is_other_table = drift.is_other_query and spec.table is not None
    if spec.on_drift == "add-columns" and drift.only_adds and not is_other_table:
        return
    raise ExtractError(
        f"What is read has changed since the last window ({drift}), and on_drift is "
        f"{spec.on_drift}",
        kind="extract.drift",
        hint="set on_drift to new-version to land everything anew; or to add-columns, if columns "
        "only came at the end of the same table or query; another table wants another name",
    )


def with_declared_types(schema: pa.Schema, columns: Sequence[Column]) -> pa.Schema:
    """Return a stream's schema with each column's declared type as metadata.

    Raises:
        ExtractError: The columns are not those that the window was planned with.
    """
    if schema.names != [column.name for column in columns]:
        raise ExtractError(
            f"The query returns {', '.join(schema.names)}, but the window was planned for "
            f"{', '.join(column.name for column in columns)}",
            kind="extract.drift",
            hint="run again: the window is planned anew",
        )
    return pa.schema(
        # A column may allow NULLs one day, and its files are read together.
        field.with_nullable(nullable=True).with_metadata({"sql_type": column.type})
        for field, column in zip(schema, columns, strict=True)
    )


def _check_cursor(columns: Sequence[Column], spec: Spec) -> None:
    """Raise unless the cursor is a column of its kind."""
    if spec.cursor_key is None:
        return
    found = find_column(columns, spec.cursor_key.column, asked_by="cursor.column")
    kind = kind_of(spec.cursor_key)
    if found.type.partition("(")[0] not in kind.types:
        raise _unfit(
            f"{found.name} is {found.type}, not {kind.name}",
            f"a cursor of kind {kind.name} is declared as {' or '.join(sorted(kind.types))}; or "
            "cast it to that in the query",
        )


def _unfit(message: str, hint: str) -> ExtractError:
    return ExtractError(
        f"The query cannot be extracted: {message}", kind="extract.columns", hint=hint
    )
