"""Values of cursors and partition columns as texts."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_entry.errors import ExtractError
from remote_entry.extract.server.keys import KINDS

ROWVERSION, DATETIME2, INTEGER = KINDS["rowversion"], KINDS["datetime2"], KINDS["integer"]
DATE, IDENTIFIER = KINDS["date"], KINDS["uniqueidentifier"]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_rowversions_sort_as_the_server_sorts_them(one: int, other: int) -> None:
    """Bytes → text → order."""
    column = pa.array([one.to_bytes(8, "big"), other.to_bytes(8, "big")])
    texts = ROWVERSION.as_text(column)
    assert [ROWVERSION.order(text) for text in texts] == [one, other]
    assert [ROWVERSION.canonical(text) for text in texts] == texts


@given(st.integers(-62135596800000000, 253402300799999999))
def test_moments_keep_every_microsecond_of_ten_thousand_years(microseconds: int) -> None:
    """No datetime of Python's is in between."""
    [text] = DATETIME2.as_text(pa.array([microseconds], pa.timestamp("us")))
    assert text == DATETIME2.canonical(text)
    assert (len(text), text[-1]) == (27, "0")
    back = pa.array([text[:-1]]).cast(pa.timestamp("us")).cast(pa.int64())
    assert back.to_pylist() == [microseconds]


def test_the_seventh_digit_counts() -> None:
    """Between two windows there is nothing."""
    before, after = "2024-01-01 00:00:00.1234567", "2024-01-01 00:00:00.1234568"
    assert DATETIME2.order(before) < DATETIME2.order(after)
    assert DATETIME2.literal(after) == f"CONVERT(datetime2(7), '{after}', 121)"
    assert DATETIME2.canonical("2024-01-01") == "2024-01-01 00:00:00.0000000"


@given(st.integers(-(2**63), 2**63))
def test_integers_stay_whole(value: int) -> None:
    """A bigint's largest value has a successor, too."""
    assert INTEGER.order(INTEGER.canonical(str(value))) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ROWVERSION, "0x07D1"),
        (ROWVERSION, "2001"),
        (DATETIME2, "2024-01-01'; DROP TABLE v --"),
        (DATETIME2, "1 January 2024"),
        (DATETIME2, "2024-02-30"),
        (DATETIME2, "2024-02-01 24:00:00"),
        (DATE, "2023-02-29"),
        (INTEGER, "1.5"),
        (INTEGER, "1 OR 1 = 1"),
        (INTEGER, ""),
        (DATE, "2024-01-01 00:00"),
        (IDENTIFIER, "6F9619FF8B86D011B42D00C04FC964FF"),
        (IDENTIFIER, "6F9619FF-8B86-D011-B42D-00C04FC964F'"),
    ],
)
def test_nothing_else_becomes_part_of_a_query(kind: object, text: str) -> None:
    """The error shows how it is written."""
    with pytest.raises(ExtractError, match="--from is no"):
        kind.checked(text, what="--from")  # type: ignore[attr-defined]
