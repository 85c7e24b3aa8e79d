"""Values of cursors and partition columns as the server writes them, and how they stand in T-SQL.

A value is a text from beginning to end: asked of the server as text, kept as text, and put back
into T-SQL as a literal. Python's datetime would lose the seventh digit of a second; a float would
lose half of a bigint. Every text is checked against its kind's form before it stands in a query.

A boundary between two parts is made here from a row's own value. A datetime2(7) arrives cut to
microseconds, so its boundary is a whole microsecond: everything that was cut to less lies before
it, everything else behind.

Text is no key: two texts that the server takes for equal (``a`` and ``A``) are not equal here, so
a row could stand on both sides of a boundary. Nor is a datetime: what a driver shows of it is
rounded up.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Key

_ROWVERSION = re.compile(r"0x[0-9A-Fa-f]{16}")
_INTEGER = re.compile(r"-?\d{1,19}")
_DATETIME2 = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_UNIQUEIDENTIFIER = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")


@dataclass(frozen=True)
class KeyKind:
    """How one kind of key is asked for, written, compared and cut.

    Attributes:
        name: As specs and plans call it.
        example: A value, for messages.
        types: What the column may be declared as.
        shown: Returns the T-SQL that shows an expression's value as text.
        canonical: Returns a text in the one form that is compared and kept; raises ValueError.
        literal: Returns canonical text as T-SQL.
        order: Returns what canonical text sorts by; only for the kinds of cursors.
        as_text: Returns a column's values, none of them NULL, as canonical texts.
    """

    name: str
    example: str
    types: frozenset[str]
    shown: Callable[[str], str]
    canonical: Callable[[str], str]
    literal: Callable[[str], str]
    order: Callable[[str], int]
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
                hint=f"write it as the server does, such as {self.example}",
            ) from None


def kind_of(key: Key) -> KeyKind:
    """Return how a key is handled."""
    return KINDS[key.kind]


def kind_of_type(declared: str) -> KeyKind | None:
    """Return the kind of a column of a declared type; None if it can be no key."""
    base = declared.partition("(")[0]
    return next((kind for kind in KINDS.values() if base in kind.types), None)


def quoted(name: str) -> str:
    """Return a column's name as T-SQL takes any name."""
    return "[" + name.replace("]", "]]") + "]"


def within(key: Key, lo: str | None, hi: str | None) -> list[str]:
    """Return the conditions that hold for the values of ``[lo, hi)``, for a WHERE clause."""
    column, literal = f"q.{quoted(key.column)}", kind_of(key).literal
    at_least = [] if lo is None else [f"{column} >= {literal(lo)}"]
    below = [] if hi is None else [f"{column} < {literal(hi)}"]
    return at_least + below


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """Return what lets texts of a form through as they are."""

    def canonical(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return canonical


def _canonical_rowversion(text: str) -> str:
    return "0x" + _matching(_ROWVERSION)(text)[2:].upper()


def _canonical_integer(text: str) -> str:
    return str(int(_matching(_INTEGER)(text)))


def _canonical_datetime2(text: str) -> str:
    match = _DATETIME2.fullmatch(text)
    if match is None:
        raise ValueError
    day, time, fraction = match.groups()
    moment = datetime.fromisoformat(f"{day} {time or '00:00:00'}")  # is there such a day?
    return f"{moment}.{(fraction or '').ljust(7, '0')}"


def _digits(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def _rowversion_texts(column: pa.Array) -> list[str]:
    return ["0x" + value.hex().upper() for value in column.to_pylist()]


def _datetime2_texts(column: pa.Array) -> list[str]:
    # Arrow writes the number of microseconds as text itself.
    return [_canonical_datetime2(text) for text in column.cast(pa.string()).to_pylist()]


def _unordered(_: str) -> int:
    # SQL Server compares the last six bytes of a uniqueidentifier first; it is asked, not imitated.
    raise NotImplementedError


KINDS = {
    kind.name: kind
    for kind in (
        KeyKind(
            name="rowversion",
            example="0x00000000000007D1",
            types=frozenset({"timestamp", "rowversion"}),
            shown=lambda column: f"CONVERT(varchar(18), {column}, 1)",
            canonical=_canonical_rowversion,
            literal=lambda text: text,
            order=lambda text: int(text, 16),
            as_text=_rowversion_texts,
        ),
        KeyKind(
            name="datetime2",
            example="'2024-01-31 23:59:59.1234567'",
            types=frozenset({"datetime2"}),
            shown=lambda column: f"CONVERT(varchar(27), {column}, 121)",
            canonical=_canonical_datetime2,
            # Style 121 and not a bare text: that would depend on the login's language.
            literal=lambda text: f"CONVERT(datetime2(7), '{text}', 121)",
            order=_digits,
            as_text=_datetime2_texts,
        ),
        KeyKind(
            name="integer",
            example="1000",
            types=frozenset({"tinyint", "smallint", "int", "bigint"}),
            shown=lambda column: f"CONVERT(varchar(20), {column})",
            canonical=_canonical_integer,
            literal=lambda text: text,
            order=int,
            as_text=lambda column: [str(value) for value in column.to_pylist()],
        ),
        KeyKind(
            name="date",
            example="'2024-01-31'",
            types=frozenset({"date"}),
            shown=lambda column: f"CONVERT(varchar(10), {column}, 23)",
            canonical=lambda text: str(date.fromisoformat(_matching(_DATE)(text))),
            literal=lambda text: f"CONVERT(date, '{text}', 23)",
            order=_digits,
            as_text=lambda column: [str(value) for value in column.to_pylist()],
        ),
        KeyKind(
            name="uniqueidentifier",
            example="'6F9619FF-8B86-D011-B42D-00C04FC964FF'",
            types=frozenset({"uniqueidentifier"}),
            shown=lambda column: f"CONVERT(varchar(36), {column})",
            canonical=_matching(_UNIQUEIDENTIFIER),
            literal=lambda text: f"CONVERT(uniqueidentifier, '{text}')",
            order=_unordered,
            as_text=lambda column: [text.upper() for text in column.to_pylist()],
        ),
    )
}
