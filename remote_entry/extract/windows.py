"""Which rows a run takes: half-open windows [lo, hi) of the cursor, with their T-SQL.

A window's end is fixed by the server when the run begins, so rows that arrive meanwhile belong to
the next one, and two runs of one window see the same rows however long they take:

    rowversion   MIN_ACTIVE_ROWVERSION(): no transaction in flight can add a row below it
    datetime2    the server's clock (the earlier of UTC and local) minus the lag
    integer      the largest value, plus one, minus the lag

The lag is what a datetime2 or an integer is trusted with: a row that is committed later than that
is missed. Rowversions need no trust.
"""

from collections.abc import Iterable

from remote_entry.errors import ExtractError
from remote_entry.extract.cursors import CursorKind, kind_of, quoted
from remote_entry.extract.data_set import Window
from remote_entry.extract.source import Source
from remote_entry.extract.spec import Spec


def rows_query(spec: Spec, window: Window) -> str:
    """Return the SELECT of a window's rows, in the cursor's order."""
    if spec.cursor is None:
        return f"SELECT q.* FROM {spec.relation}"  # noqa: S608 - the user's own query
    column = quoted(spec.cursor.column)
    where = _condition(spec, window)
    return f"SELECT q.* FROM {spec.relation}{where} ORDER BY q.{column}"  # noqa: S608 - the same


def count_rows(source: Source, spec: Spec, window: Window) -> int:
    """Have the server count a window's rows."""
    sql = f"SELECT COUNT_BIG(*) AS n FROM {spec.relation}{_condition(spec, window)}"  # noqa: S608
    return int(source.value(sql))


def next_window(source: Source, spec: Spec, watermark: str | None) -> Window | None:
    """Ask the server for the window that follows the last one.

    Args:
        source: The server.
        spec: The extract.
        watermark: Where the last window ended; None before the first.

    Returns:
        None if nothing is new.

    Raises:
        ExtractError: The server's rowversions lie behind the watermark.
    """
    if spec.cursor is None:
        return Window()
    hi = newest(source, spec)
    if hi is None:
        return None
    kind = kind_of(spec.cursor)
    if watermark is None or kind.order(watermark) < kind.order(hi):
        return Window(watermark, hi)
    if kind.name == "rowversion" and kind.order(hi) < kind.order(watermark):
        raise ExtractError(
            f"The database's rowversions end at {hi}, but {watermark} was reached before: it is "
            "another database, or an older copy of it",
            kind="extract.watermark-ahead",
            hint="extract into a new name, or restore the right database",
        )
    return None


def asked_window(
    source: Source,
    spec: Spec,
    bounds: tuple[str | None, str | None],
    committed: Iterable[Window],
    watermark: str | None,
) -> Window:
    """Check a range that was asked for.

    Args:
        source: The server.
        spec: The extract.
        bounds: The first value and the first one behind; None for the watermark, and for as far as
            it is safe.
        committed: What was landed already.
        watermark: The end of that.

    Returns:
        The window; one that was landed exactly so before is returned, too.

    Raises:
        ExtractError: The range is empty, ends where rows are still to come, leaves a gap, or has
            rows in common with another window.
    """
    if spec.cursor is None:
        raise _refused("a range needs a cursor", "give the extract a cursor")
    kind = kind_of(spec.cursor)
    lo = kind.checked(bounds[0], what="--from") if bounds[0] else watermark
    safe = newest(source, spec)
    hi = kind.checked(bounds[1], what="--to") if bounds[1] else safe
    if hi is None or (lo is not None and kind.order(lo) >= kind.order(hi)):
        raise _refused(f"from {lo} to {hi} there is nothing", "give --from before --to")
    if safe is None or kind.order(hi) > kind.order(safe):
        raise _refused(
            f"--to {hi} lies behind {safe}, up to where the server is sure that nothing is still "
            "to come",
            "leave --to out",
        )
    asked, landed = Window(lo, hi), list(committed)
    if asked in landed:
        return asked
    if watermark is not None and lo is not None and kind.order(lo) > kind.order(watermark):
        raise _refused(
            f"between {watermark}, where the last window ended, and --from {lo} there would be a "
            "gap for ever",
            "leave --from out",
        )
    for other in landed:
        if _overlap(kind, asked, other):
            raise _refused(
                f"{asked} has rows in common with {other}, which was landed before; replacing a "
                "range is not built yet",
                "extract into a new name",
            )
    return asked


def newest(source: Source, spec: Spec) -> str | None:
    """Return the server's own end of a window that begins now; None if there is no row."""
    assert spec.cursor is not None  # noqa: S101 - callers look first
    kind = kind_of(spec.cursor)
    sql = kind.newest(spec.relation, quoted(spec.cursor.column), spec.cursor.lag_amount)
    text = source.value(sql)
    return None if text is None else kind.checked(str(text), what="What the server answered")


def refuse_nulls(source: Source, spec: Spec) -> int:
    """Return how many rows have no cursor, and so are in no window.

    Raises:
        ExtractError: There are some, and the spec does not say to skip them.
    """
    if spec.cursor is None or spec.cursor.kind == "rowversion":
        return 0
    column = quoted(spec.cursor.column)
    sql = f"SELECT COUNT_BIG(*) AS n FROM {spec.relation} WHERE q.{column} IS NULL"  # noqa: S608
    count = int(source.value(sql))
    if count and spec.cursor.nulls == "fail":
        raise ExtractError(
            f"{count} rows have no {spec.cursor.column}: no window would ever hold them",
            kind="extract.null-cursor",
            hint="give them a value, leave them out in the query, or set cursor.nulls to skip",
        )
    return count


def _condition(spec: Spec, window: Window) -> str:
    """Return the WHERE clause of a window; its texts were checked when it was made."""
    if spec.cursor is None or window.hi is None:
        return ""
    kind, column = kind_of(spec.cursor), quoted(spec.cursor.column)
    below = f"q.{column} < {kind.literal(window.hi)}"
    if window.lo is None:
        return f" WHERE {below}"
    return f" WHERE q.{column} >= {kind.literal(window.lo)} AND {below}"


def _overlap(kind: CursorKind, one: Window, other: Window) -> bool:
    """Tell whether a value can lie in both."""

    def begins_before_end(first: Window, second: Window) -> bool:
        if first.lo is None or second.hi is None:
            return True
        return kind.order(first.lo) < kind.order(second.hi)

    return begins_before_end(one, other) and begins_before_end(other, one)


def _refused(message: str, hint: str) -> ExtractError:
    return ExtractError(
        f"This range cannot be extracted: {message}", kind="extract.range", hint=hint
    )
