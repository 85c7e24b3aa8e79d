"""Values of a cursor as the server writes them, and how they stand in T-SQL.

A value is a text from beginning to end: asked of the server as text, kept as text, and put back
into T-SQL as a literal. Python's datetime would lose the seventh digit of a second; a float would
lose half of a bigint. Every text is checked against its kind's form before it stands in a query.

A boundary between two parts of one window is made here from a row's own value. A datetime2(7)
arrives cut to microseconds, so its boundary is a whole microsecond: everything that was cut to
less lies before it, everything else behind.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from remote_entry.errors import ExtractError
from remote_entry.extract.spec import Cursor

_ROWVERSION = re.compile(r"0x[0-9A-Fa-f]{16}")
_INTEGER = re.compile(r"-?\d{1,19}")
_DATETIME2 = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?)?")


@dataclass(frozen=True)
class CursorKind:
    """How one kind of cursor is asked for, written, compared and cut.

    Attributes:
        name: As the spec calls it.
        newest: Makes the query whose one row is the exclusive end of a window as text, of the FROM
            clause, the column and the lag.
        canonical: Returns a text in the one form that is compared and kept; raises ValueError.
        literal: Returns canonical text as T-SQL.
        order: Returns what canonical text sorts by.
        types: What the column may be declared as. A datetime is none: what a driver shows of it is
            rounded up, so a row could stand on both sides of a boundary, or on neither.
        as_text: Returns a column's values, none of them NULL, as canonical texts.
    """

    name: str
    newest: Callable[[str, str, int], str]
    canonical: Callable[[str], str]
    literal: Callable[[str], str]
    order: Callable[[str], int]
    types: frozenset[str]
    as_text: Callable[[pa.Array], list[str]]

    def checked(self, text: str, *, what: str) -> str:
        """Return a text in its canonical form.

        Raises:
            ExtractError: It is no value of this kind.
        """
        try:
            return self.canonical(text.strip())
        except ValueError:
            raise ExtractError(
                f"{what} is no {self.name}: {text!r}",
                kind="extract.value",
                hint=f"write it as the server does, such as {_EXAMPLES[self.name]}",
            ) from None


def kind_of(cursor: Cursor) -> CursorKind:
    """Return how a spec's cursor is handled."""
    return _KINDS[cursor.kind]


def quoted(name: str) -> str:
    """Return a column's name as T-SQL takes any name."""
    return "[" + name.replace("]", "]]") + "]"


def _newest_rowversion(_: str, __: str, ___: int) -> str:
    # Documented as the end up to which no transaction in flight can add anything any more:
    # https://learn.microsoft.com/sql/t-sql/functions/min-active-rowversion-transact-sql
    return "SELECT CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1) AS hi"


def _newest_datetime2(_: str, __: str, lag: int) -> str:
    # A column may hold UTC or the server's local time: the earlier of both is in no future.
    utc, local = (f"DATEADD(second, -{lag}, {now}())" for now in ("SYSUTCDATETIME", "SYSDATETIME"))
    earlier = f"CASE WHEN {utc} < {local} THEN {utc} ELSE {local} END"
    return f"SELECT CONVERT(varchar(27), {earlier}, 121) AS hi"


def _newest_integer(source: str, column: str, lag: int) -> str:
    # In decimals: the largest bigint has a successor too.
    newest = f"CAST(MAX(q.{column}) AS decimal(20, 0)) + 1 - {lag}"
    return f"SELECT CONVERT(varchar(40), {newest}) AS hi FROM {source}"  # noqa: S608 - see canonical


def _canonical_rowversion(text: str) -> str:
    if not _ROWVERSION.fullmatch(text):
        raise ValueError
    return "0x" + text[2:].upper()


def _canonical_integer(text: str) -> str:
    if not _INTEGER.fullmatch(text):
        raise ValueError
    return str(int(text))


def _canonical_datetime2(text: str) -> str:
    match = _DATETIME2.fullmatch(text)
    if match is None:
        raise ValueError
    day, time, fraction = match.groups()
    return f"{day} {time or '00:00:00'}.{(fraction or '').ljust(7, '0')}"


def _rowversion_texts(column: pa.Array) -> list[str]:
    return ["0x" + value.hex().upper() for value in column.to_pylist()]


def _datetime2_texts(column: pa.Array) -> list[str]:
    # Arrow writes the number of microseconds as text itself.
    return [_canonical_datetime2(text) for text in column.cast(pa.string()).to_pylist()]


_EXAMPLES = {
    "rowversion": "0x00000000000007D1",
    "datetime2": "'2024-01-31 23:59:59.1234567'",
    "integer": "1000",
}
_KINDS = {
    kind.name: kind
    for kind in (
        CursorKind(
            "rowversion",
            _newest_rowversion,
            _canonical_rowversion,
            lambda text: text,
            lambda text: int(text, 16),
            frozenset({"timestamp", "rowversion"}),
            _rowversion_texts,
        ),
        CursorKind(
            "datetime2",
            _newest_datetime2,
            _canonical_datetime2,
            # Style 121 and not a bare text: that would depend on the login's language.
            lambda text: f"CONVERT(datetime2(7), '{text}', 121)",
            lambda text: int(re.sub(r"\D", "", text)),
            frozenset({"datetime2"}),
            _datetime2_texts,
        ),
        CursorKind(
            "integer",
            _newest_integer,
            _canonical_integer,
            lambda text: text,
            int,
            frozenset({"tinyint", "smallint", "int", "bigint"}),
            lambda column: [str(value) for value in column.to_pylist()],
        ),
    )
}
