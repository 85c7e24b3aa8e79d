"""Whether each row has a cursor by which some window will hold it."""

from remote_entry.errors import ExtractError
from remote_entry.extract.server.keys import KINDS, quoted
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.tables import is_own_table
from remote_entry.extract.spec import Cursor, Spec


def check_cursors(source: Source, spec: Spec) -> int:
    """Return how many rows have no cursor, and so are in no window.

    Raises:
        ExtractError: There are some, and the spec does not say to skip them; or they have
            rowversions of another database.
    """
    if spec.cursor is None:
        return 0
    if spec.cursor.kind == "rowversion":
        if is_own_table(source, spec):
            return 0  # each of its rows has one
        _refuse_foreign(source, spec, spec.cursor)
    return _refuse_nulls(source, spec, spec.cursor)


def _refuse_nulls(source: Source, spec: Spec, cursor: Cursor) -> int:
    """Return how many rows have no cursor, and so are in no window.

    Raises:
        ExtractError: There are some, and the spec does not say to skip them.
    """
    count = _count(source, spec, f"q.{quoted(cursor.column)} IS NULL")
    if count and cursor.nulls == "fail":
        raise ExtractError(
            f"{count} rows have no {cursor.column}: no window would ever hold them",
            kind="extract.null-cursor",
            hint="give them a value, leave them out in the query, or set cursor.nulls to skip",
        )
    return count


def _refuse_foreign(source: Source, spec: Spec, cursor: Cursor) -> None:
    """Raise if a row has a rowversion that this database has not given out.

    The server tells what is in flight in the current database alone, and a view or a query may read
    another one's table.

    Raises:
        ExtractError: There are such rows.
    """
    kind, column = KINDS["rowversion"], f"q.{quoted(cursor.column)}"
    rows = f"{spec.relation} ORDER BY {column} DESC"
    found = source.ask(f"SELECT TOP (1) {kind.shown(column)} AS v FROM {rows}")  # noqa: S608 - ours
    largest = [text for (text,) in found if text is not None]
    # Asked afterwards: rows that came meanwhile are not foreign.
    [(given_out,)] = source.ask(f"SELECT {kind.shown('@@DBTS')} AS v")
    if largest and kind.order(largest[0]) > kind.order(given_out):
        raise ExtractError(
            f"{cursor.column} is up to {largest[0]}, and this database has given out "
            f"{given_out} at most: the rows are another database's, whose open transactions "
            "cannot be seen from here",
            kind="extract.foreign-rowversion",
            hint="set SQL_DATABASE to the database that holds the table",
        )


def _count(source: Source, spec: Spec, condition: str) -> int:
    sql = f"SELECT COUNT_BIG(*) AS n FROM {spec.relation} WHERE {condition}"  # noqa: S608 - ours
    [(count,)] = source.ask(sql)
    return int(count)
