"""Which rows a run takes: half-open windows [lo, hi) of the cursor, with their T-SQL.

A window's end is fixed by the server when the run begins, so rows that arrive meanwhile belong to
the next one, and two runs of one window see the same rows however long they take:

    rowversion   MIN_ACTIVE_ROWVERSION(): no transaction in flight can add a row below it
    datetime2    the server's clock (the earlier of UTC and local) minus the lag
    integer      the largest value, plus one, minus the lag

The lag is what a datetime2 or an integer is trusted with: a row that is committed later than that
is missed. Rowversions need no trust.
"""

from collections.abc import Callable, Iterable

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Key, Window
from remote_entry.extract.server.keys import kind_of, quoted, within
from remote_entry.extract.server.source import Source
from remote_entry.extract.spec import Cursor, Spec


def rows_query(spec: Spec, conditions: Iterable[str], order: Key | None) -> str:
    """Return the SELECT of the rows for which all conditions hold, in the order of a key."""
    by = f" ORDER BY q.{quoted(order.column)}" if order else ""
    return f"SELECT q.* FROM {spec.relation}{where(conditions)}{by}"  # noqa: S608 - the user's own


def count_rows(source: Source, spec: Spec, window: Window) -> int:
    """Have the server count a window's rows."""
    condition = where(conditions_of(spec, window))
    [(count,)] = source.ask(f"SELECT COUNT_BIG(*) AS n FROM {spec.relation}{condition}")  # noqa: S608
    return int(count)


def conditions_of(spec: Spec, window: Window) -> list[str]:
    """Return what holds for a window's rows; its texts were checked when it was made."""
    if spec.cursor_key is None or window.hi is None:
        return []
    return within(spec.cursor_key, window.lo, window.hi)


def where(conditions: Iterable[str]) -> str:
    """Return the WHERE clause of conditions; empty without any."""
    joined = " AND ".join(conditions)
    return f" WHERE {joined}" if joined else ""


def next_window(
    source: Source, spec: Spec, watermark: str | None, warn: Callable[[str], object]
) -> Window | None:
    """Ask the server for the window that follows the last one.

    Args:
        source: The server.
        spec: The extract.
        watermark: Where the last window ended; None before the first.
        warn: Is told of a table that seems to have begun anew.

    Returns:
        None if nothing is new.

    Raises:
        ExtractError: The server's rowversions lie behind the watermark.
    """
    if spec.cursor_key is None:
        return Window()
    hi = newest(source, spec)
    if hi is None:
        return None
    kind = kind_of(spec.cursor_key)
    if watermark is None or kind.order(watermark) < kind.order(hi):
        return Window(watermark, hi)
    if kind.name == "rowversion" and kind.order(hi) < kind.order(watermark):
        raise ExtractError(
            f"The database's rowversions end at {hi}, but {watermark} was reached before: it is "
            "another database, or an older copy of it",
            kind="extract.watermark-ahead",
            hint="extract into a new name, or restore the right database",
        )
    lag = spec.cursor.lag_amount if spec.cursor else 0
    if kind.name == "integer" and kind.order(hi) + lag < kind.order(watermark):
        warn(
            f"the largest {spec.cursor_key.column} is less than {watermark}, which was reached "
            "before: if the table began anew, extract into a new name"
        )
    return None


def newest(source: Source, spec: Spec) -> str | None:
    """Return the server's own end of a window that begins now; None if there is no row."""
    assert spec.cursor is not None  # noqa: S101 - callers look first
    assert spec.cursor_key is not None  # noqa: S101 - the same
    [(text,)] = source.ask(_NEWEST[spec.cursor.kind](spec, spec.cursor))
    if text is None:
        return None
    return kind_of(spec.cursor_key).checked(str(text), what="What the server answered")


def _newest_rowversion(_: Spec, __: Cursor) -> str:
    # Documented as the end up to which no transaction in flight can add anything any more:
    # https://learn.microsoft.com/sql/t-sql/functions/min-active-rowversion-transact-sql
    return "SELECT CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1) AS hi"


def _newest_datetime2(_: Spec, cursor: Cursor) -> str:
    # A column may hold UTC or the server's local time: the earlier of both is in no future.
    utc, local = (
        f"DATEADD(second, -{cursor.lag_amount}, {now}())"
        for now in ("SYSUTCDATETIME", "SYSDATETIME")
    )
    earlier = f"CASE WHEN {utc} < {local} THEN {utc} ELSE {local} END"
    return f"SELECT CONVERT(varchar(27), {earlier}, 121) AS hi"


def _newest_integer(spec: Spec, cursor: Cursor) -> str:
    # In decimals: the largest bigint has a successor too.
    largest = f"CAST(MAX(q.{quoted(cursor.column)}) AS decimal(20, 0))"
    newest = f"{largest} + 1 - {cursor.lag_amount}"
    return f"SELECT CONVERT(varchar(40), {newest}) AS hi FROM {spec.relation}"  # noqa: S608 - ours


_NEWEST = {
    "rowversion": _newest_rowversion,
    "datetime2": _newest_datetime2,
    "integer": _newest_integer,
}
