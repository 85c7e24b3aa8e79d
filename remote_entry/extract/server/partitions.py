"""How a window is shared among connections: ranges of one column with about as many rows each.

The server itself says where to cut, by counting through the column in order, so a column whose
values lie in heaps is shared as evenly as one that has no gaps. The outermost ranges have no
bounds, and the rows without a value are a partition too: whatever arrives while the window is
read has its place.

Without a partition column the whole window is one partition, read in the cursor's order.
"""

from collections.abc import Sequence

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column, Key, Partition, Window
from remote_entry.extract.server.keys import KINDS, kind_of, kind_of_type, quoted, within
from remote_entry.extract.server.schema import find_column
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.windows import conditions_of, where
from remote_entry.extract.spec import Spec

_MOST_AUTO = 1_000


def partition_key(spec: Spec, columns: Sequence[Column]) -> Key | None:
    """Return the column by which the spec wants its windows shared.

    Raises:
        ExtractError: The query has no such column, or it can be no key.
    """
    if spec.partition is None:
        return None
    found = find_column(columns, spec.partition.column, asked_by="partition.column")
    kind = kind_of_type(found.type)
    if kind is not None:
        return Key(found.name, kind.name)
    known = sorted({each for kind in KINDS.values() for each in kind.types})
    raise ExtractError(
        f"The query cannot be shared among connections by {found.name}: it is {found.type}, whose "
        "ranges are not exact",
        kind="extract.partition",
        hint=f"take a partition.column that is declared as one of {', '.join(known)}",
    )


def share(
    source: Source, spec: Spec, key: Key | None, window: Window, counted: int
) -> tuple[Partition, ...]:
    """Cut a window into partitions.

    Args:
        source: The server.
        spec: The extract.
        key: From ``partition_key``.
        window: The rows.
        counted: How many there are.
    """
    if key is None or spec.partition is None:
        return (Partition(),)
    asked = spec.partition.parts
    parts = min(-(-counted // spec.rows_per_file), _MOST_AUTO) if asked == "auto" else asked
    cuts = _cuts(source, spec, key, window, max(-(-counted // parts), 1)) if parts > 1 else []
    ranges = zip((None, *cuts), (*cuts, None), strict=True)
    return (*(Partition(lo, hi) for lo, hi in ranges), Partition(is_null=True))


def order_of(key: Key | None, cursor: Key | None, partition: Partition) -> Key | None:
    """Return by what a partition is read in order, and can be gone on with; None for nothing."""
    return cursor if key is None or partition.is_null else key


def conditions_in(key: Key | None, partition: Partition) -> list[str]:
    """Return what holds for a partition's rows beside being in the window."""
    if key is None:
        return []
    column = f"q.{quoted(key.column)}"
    if partition.is_null:
        return [f"{column} IS NULL"]
    return within(key, partition.lo, partition.hi) or [f"{column} IS NOT NULL"]


def _cuts(source: Source, spec: Spec, key: Key, window: Window, step: int) -> list[str]:
    """Return the value of each row that is ``step`` rows behind the last one, without repeats."""
    kind, column = kind_of(key), f"q.{quoted(key.column)}"
    condition = where([*conditions_of(spec, window), f"{column} IS NOT NULL"])
    numbered = (
        f"SELECT {column} AS k, ROW_NUMBER() OVER (ORDER BY {column}) AS i "  # noqa: S608 - checked
        f"FROM {spec.relation}{condition}"
    )
    sql = (
        f"SELECT {kind.shown('n.k')} AS cut FROM ({numbered}) AS n "  # noqa: S608 - the same
        f"WHERE n.i > 1 AND (n.i - 1) % {step} = 0 ORDER BY n.i"
    )
    checked = (kind.checked(text, what=f"A value of {key.column}") for (text,) in source.ask(sql))
    return list(dict.fromkeys(checked))
