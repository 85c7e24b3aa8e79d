"""Every SQL type, with edges, through the three ways to the server: equal to the last digit.

The values go in as T-SQL literals, so that no driver's parameters stand between. What the emulator
cannot hold, because DuckDB behind it cannot, is not claimed here: the seventh digit of a second
(drawn with six at most) and the offset of a datetimeoffset (compared as an instant).
"""

import datetime as dt
import decimal
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.played_database import Played, play_database

from remote_entry.reading.batches import Batches
from remote_entry.reading.describe import describe
from remote_entry.reading.frames import frame_of
from remote_entry.reading.over_mssql_python import open_mssql
from remote_entry.reading.ways import open_given, read_own

EXACT = decimal.Context(prec=60)
UTC = dt.timezone.utc
FIRST, LAST = dt.datetime.min, dt.datetime.max  # noqa: DTZ901 - SQL Server's range is the same
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Start a server."""
    with play_database(tmp_path_factory.mktemp("authority")) as running:
        yield running


@dataclass(frozen=True)
class Column:
    """A declaration, its values as literals, and as Python has them."""

    declaration: str
    literals: Sequence[str]
    values: Sequence[Any]


@dataclass(frozen=True)
class Kind:
    """A type: what it may be declared as, which values it has, and how T-SQL writes one."""

    declarations: st.SearchStrategy[str]
    values: Callable[[str], st.SearchStrategy[Any]]
    literal: Callable[[Any, str], str] = lambda value, _: str(value)
    read: Callable[[Any, str], Any] = lambda value, _: value


def argument(declaration: str) -> int:
    """Return the first number in parentheses."""
    return int(declaration.partition("(")[2].rstrip(")").partition(",")[0])


def quoted(value: object, _: str = "") -> str:
    """Write a literal in quotes."""
    return "'" + str(value).replace("'", "''") + "'"


def converted(value: object, declaration: str) -> str:
    """Write a text that is converted: a plain literal would be a number of another type."""
    return f"CAST('{value}' AS {declaration})"


def plainly(value: decimal.Decimal, declaration: str) -> str:
    """Write a decimal without an exponent."""
    return converted(f"{value:f}", declaration)


def national(value: str, _: str) -> str:
    """Write a literal of unicode text."""
    return "N" + quoted(value)


def hexadecimal(value: bytes, _: str) -> str:
    """Write a binary literal; sqlglot, which the emulator parses with, knows none of no bytes."""
    return f"0x{value.hex()}" if value else "CAST('' AS varbinary)"


def integers(low: int, high: int) -> Callable[[str], st.SearchStrategy[int]]:
    """Return whole numbers with the edges among them."""
    return lambda _: st.integers(low, high) | st.sampled_from([low, high, 0, 1])


def scaled(low: int, high: int, digits: int) -> st.SearchStrategy[decimal.Decimal]:
    """Return decimals of a number of digits after the point."""
    whole = st.integers(low, high) | st.sampled_from([low, high, 0])
    return whole.map(lambda value: decimal.Decimal(value).scaleb(-digits, EXACT))


def decimals(declaration: str) -> st.SearchStrategy[decimal.Decimal]:
    """Return the values of decimal(p,s)."""
    most = 10 ** argument(declaration) - 1
    return scaled(-most, most, int(declaration.partition(",")[2].rstrip(")")))


def cut(declaration: str) -> Callable[[Any], Any]:
    """Return what cuts a time to the digits that its declaration has."""
    unit = 10 ** (6 - min(argument(declaration), 6))
    return lambda value: value.replace(microsecond=value.microsecond // unit * unit)


def moments(declaration: str) -> st.SearchStrategy[dt.datetime]:
    """Return the values of datetime2(n)."""
    return (st.datetimes() | st.sampled_from([FIRST, LAST])).map(cut(declaration))


def instants(declaration: str) -> st.SearchStrategy[dt.datetime]:
    """Return the values of datetimeoffset(n), whose instant is within the years 1 to 9999 too."""
    zones = st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
    within = st.datetimes(FIRST + DAY, LAST - DAY, timezones=zones)
    edges = st.sampled_from([FIRST.replace(tzinfo=UTC), LAST.replace(tzinfo=UTC)])
    return (within | edges).map(cut(declaration))


def days(first: tuple[int, ...], last: tuple[int, ...]) -> st.SearchStrategy[dt.date]:
    """Return dates of the range of an old type."""
    return st.dates(dt.date(*first), dt.date(*last))


def old_moments(_: str) -> st.SearchStrategy[dt.datetime]:
    """Return the values of datetime: it ends in 0, 3 or 7 milliseconds."""
    return st.builds(
        lambda day, seconds, centis, digit: (
            dt.datetime.combine(day, dt.time())
            + dt.timedelta(seconds=seconds, milliseconds=centis * 10 + digit)
        ),
        days((1753, 1, 1), (9999, 12, 31)),
        st.integers(0, 86_399),
        st.integers(0, 99),
        st.sampled_from([0, 3, 7]),
    )


def minutes(_: str) -> st.SearchStrategy[dt.datetime]:
    """Return the values of smalldatetime."""
    return st.builds(
        lambda day, minute: dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=minute),
        days((1900, 1, 1), (2079, 6, 6)),
        st.integers(0, 1439),
    )


def iso(value: dt.datetime, _: str) -> str:
    """Write a moment; datetime takes three digits at most."""
    text = value.isoformat(timespec="microseconds")
    return quoted(text[:23] if value.microsecond % 1000 == 0 and value.tzinfo is None else text)


CODE_PAGE = st.characters(codec="cp1252", exclude_characters="\0")
ANY_LETTER = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
BASIC_PLANE = st.characters(
    exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=0xFFFF
)
NUMBERS = st.integers(0, 38).flatmap(
    lambda scale: st.integers(max(scale, 1), 38).map(lambda digits: f"decimal({digits},{scale})")
)


def texts(letters: st.SearchStrategy[str], most: int) -> Callable[[str], st.SearchStrategy[str]]:
    """Return texts of a number of letters at most."""
    return lambda _: st.text(letters, max_size=most)


def exactly(*declarations: str) -> st.SearchStrategy[str]:
    """Return one of some declarations."""
    return st.sampled_from(declarations)


def digits_of(name: str) -> st.SearchStrategy[str]:
    """Return a type of times with each number of digits."""
    return st.integers(0, 7).map(lambda digits: f"{name}({digits})")


def padded(value: str, declaration: str) -> str:
    """Return a text as char and nchar hold it."""
    return value.ljust(argument(declaration))


BOUNDED = (
    Kind(exactly("bit"), lambda _: st.booleans(), lambda value, _: str(int(value))),
    Kind(exactly("tinyint"), integers(0, 255)),
    Kind(exactly("smallint"), integers(-(2**15), 2**15 - 1)),
    Kind(exactly("int"), integers(-(2**31), 2**31 - 1)),
    Kind(exactly("bigint"), integers(-(2**63), 2**63 - 1)),
    Kind(
        exactly("real"),
        lambda _: st.floats(width=32, allow_nan=False, allow_infinity=False),
        converted,
    ),
    Kind(
        exactly("float"),
        lambda _: st.floats(allow_nan=False, allow_infinity=False),
        converted,
    ),
    Kind(NUMBERS, decimals, plainly),
    Kind(exactly("money"), lambda _: scaled(-(2**63), 2**63 - 1, 4), plainly),
    Kind(exactly("smallmoney"), lambda _: scaled(-(2**31), 2**31 - 1, 4), plainly),
    Kind(exactly("date"), lambda _: st.dates(), quoted),
    Kind(digits_of("time"), lambda declared: st.times().map(cut(declared)), quoted),
    Kind(exactly("datetime"), old_moments, iso),
    Kind(exactly("smalldatetime"), minutes, iso),
    Kind(digits_of("datetime2"), moments, iso),
    Kind(exactly("char(5)"), texts(CODE_PAGE, 5), quoted, padded),
    Kind(exactly("varchar(20)"), texts(CODE_PAGE, 20), quoted),
    Kind(exactly("nchar(5)"), texts(BASIC_PLANE, 5), national, padded),
    Kind(exactly("nvarchar(20)", "nvarchar(4000)"), texts(ANY_LETTER, 10), national),
    Kind(
        exactly("binary(4)"),
        lambda _: st.binary(max_size=4),
        hexadecimal,
        lambda value, _: value.ljust(4, b"\0"),
    ),
    Kind(exactly("varbinary(9)"), lambda _: st.binary(max_size=9), hexadecimal),
    Kind(
        exactly("uniqueidentifier"),
        lambda _: st.uuids(),
        quoted,
        lambda value, _: str(value).upper(),
    ),
)
ZONED = (Kind(digits_of("datetimeoffset"), instants, iso, lambda value, _: value.astimezone(UTC)),)
ENDLESS = (
    Kind(
        exactly("varchar(max)"), lambda _: st.text(CODE_PAGE).map(lambda text: text * 300), quoted
    ),
    Kind(
        exactly("nvarchar(max)", "xml"),
        lambda _: st.text(ANY_LETTER).map(lambda text: text * 300),
        national,
    ),
    Kind(
        exactly("varbinary(max)"),
        lambda _: st.binary().map(lambda raw: raw * 300),
        hexadecimal,
    ),
)


@st.composite
def tables(draw: st.DrawFn, kinds: Sequence[Kind]) -> list[Column]:
    """Return a column of each kind, NULL at any place."""
    count = draw(st.integers(1, 8))
    columns = []
    for kind in kinds:
        declaration = draw(kind.declarations)
        value = st.none() | kind.values(declaration)
        values = draw(st.lists(value, min_size=count, max_size=count))
        columns.append(
            Column(
                declaration,
                ["NULL" if each is None else kind.literal(each, declaration) for each in values],
                [None if each is None else kind.read(each, declaration) for each in values],
            )
        )
    return columns


def stored(played: Played, columns: Sequence[Column]) -> str:
    """Make a table of the columns; return the query that reads it."""
    names = [f"c{index}" for index in range(len(columns))]
    declared = [
        f"{name} {column.declaration} NULL" for name, column in zip(names, columns, strict=True)
    ]
    rows = zip(range(len(columns[0].values)), *(column.literals for column in columns), strict=True)
    literals = ", ".join(f"({', '.join(map(str, row))})" for row in rows)
    played.run(
        "IF OBJECT_ID('trip') IS NOT NULL DROP TABLE trip",
        f"CREATE TABLE trip (row_number int NOT NULL, {', '.join(declared)})",
        f"INSERT INTO trip VALUES {literals}",  # noqa: S608 - literals are what is tested
    )
    return f"SELECT {', '.join(names)} FROM trip ORDER BY row_number"  # noqa: S608 - our names


def exact(value: Any) -> Any:
    """Return a value in a form in which 0.0 and -0.0 differ."""
    return struct.pack("<d", value) if isinstance(value, float) else value


def by_mssql(played: Played, query: str) -> pa.Table:
    """Read with mssql-python."""
    connector = played.database.connector
    stream = open_mssql(connector, None, query, None, 5)
    assert stream is not None
    return Batches(stream).read_all()


def by_pyodbc(played: Played, query: str) -> pa.Table:
    """Read with pyodbc."""
    return open_given(played.database.engine, query, None, 5).read_all()


def is_bounded(played: Played, query: str) -> bool:
    """Tell whether it is arrow-odbc that reads a query."""
    connector = played.database.connector
    return describe(played.database.engine, query, connector.explain).is_plain


def check(table: pa.Table, columns: Sequence[Column]) -> None:
    """Compare what was read with what went in."""
    for column, read in zip(columns, table.columns, strict=True):
        found = [exact(value) for value in read.to_pylist()]
        assert found == [exact(value) for value in column.values], column.declaration


ECONOMICAL = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a failure is told at once, not after minutes of shrinking
)


@ECONOMICAL
@given(columns=tables(BOUNDED))
def test_bounded_types_come_back_as_they_went(played: Played, columns: list[Column]) -> None:
    """arrow-odbc, mssql-python and pyodbc give the same schema and the same values."""
    query = stored(played, columns)
    assert is_bounded(played, query)
    table = read_own(played.database, query, None, 5)
    check(table, columns)
    assert by_mssql(played, query).equals(table)
    assert by_pyodbc(played, query).equals(table)
    assert [str(kind) for kind in frame_of(table).dtypes] == [
        str(kind) for kind in frame_of(table.slice(0, 0)).dtypes
    ]


@ECONOMICAL
@given(columns=tables(ZONED))
def test_instants_come_back_as_they_went(played: Played, columns: list[Column]) -> None:
    """arrow-odbc makes text of a datetimeoffset, so mssql-python reads it; pyodbc agrees."""
    query = stored(played, columns)
    assert not is_bounded(played, query)
    table = read_own(played.database, query, None, 5)
    check(table, columns)
    assert by_mssql(played, query).equals(table)
    assert by_pyodbc(played, query).equals(table)


@ECONOMICAL
@given(columns=tables(ENDLESS))
def test_endless_types_come_back_as_they_went(played: Played, columns: list[Column]) -> None:
    """The max types and xml are pyodbc's alone."""
    query = stored(played, columns)
    table = read_own(played.database, query, None, 5)
    check(table, columns)
    assert all(str(kind).startswith("large_") for kind in table.schema.types)
