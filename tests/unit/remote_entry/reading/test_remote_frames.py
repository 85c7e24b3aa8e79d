"""Column types follow the declaration, values stay exact, and pandas can work with them."""

import datetime as dt
import decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from remote_entry.reading.frames import frame_of

CENTS = pa.decimal128(18, 2)
MOMENT = pa.timestamp("us")
LAST_MINUTE = dt.datetime.fromisoformat("9999-12-31T23:59:59.999999")
FIRST_MINUTE = dt.datetime.fromisoformat("0001-01-01T00:00")
ZONED = dt.datetime.fromisoformat("2013-01-01T05:15:00.123456-05:00")


def column(values: list[Any], kind: pa.DataType, *, nullable: bool) -> "pd.Series[Any]":
    """Return a frame's only column, made of two batches."""
    schema = pa.schema([pa.field("v", kind, nullable)])
    batches = [
        pa.RecordBatch.from_arrays([pa.array(part, kind)], schema=schema)
        for part in (values[:1], values[1:])
    ]
    return frame_of(pa.Table.from_batches(batches, schema))["v"]


@pytest.mark.parametrize(
    ("kind", "nullable", "values", "dtype"),
    [
        (pa.int32(), False, [1, 2], "int64"),
        (pa.uint8(), True, [1, 255], "Int64"),
        (pa.int64(), True, [2**62 + 1, None], "Int64"),
        (pa.bool_(), False, [True, False], "bool"),
        (pa.bool_(), True, [True, None, False], "boolean"),
        (pa.float64(), True, [1.5, None], "float64"),
        (pa.float32(), False, [0.5, -0.25], "float64"),
        (MOMENT, True, [LAST_MINUTE, None, FIRST_MINUTE], "datetime64[us]"),
        (pa.timestamp("us", "UTC"), True, [ZONED, None], "datetime64[us, UTC]"),
        (CENTS, True, [decimal.Decimal("1.10"), None], "decimal128(18, 2)[pyarrow]"),
        (pa.date32(), True, [dt.date(2013, 1, 1), None], "object"),
        (pa.time64("us"), True, [dt.time(23, 59, 59, 999_999), None], "object"),
        (pa.binary(), True, [b"\0", None, b""], "object"),
        (pa.string(), True, ["a", None, ""], str(pd.Series(["a"]).dtype)),
        (pa.large_string(), False, ["a", "é漢😀"], str(pd.Series(["a"]).dtype)),
    ],
)
def test_column_type_follows_the_declaration(
    kind: pa.DataType, *, nullable: bool, values: list[Any], dtype: str
) -> None:
    """A NULL that appears one day changes no type, and neither does a result without rows."""
    filled = column(values, kind, nullable=nullable)
    assert str(filled.dtype) == dtype
    assert str(column([], kind, nullable=nullable).dtype) == dtype
    assert [None if pd.isna(value) else value for value in filled.tolist()] == values


def test_values_are_exact() -> None:
    """Neither large integers beside NULL nor decimals go through a float."""
    integers = column([2**62 + 1, None], pa.int64(), nullable=True)
    assert integers[0] == 2**62 + 1
    assert integers[1] is pd.NA
    long = decimal.Decimal("-1234567890123456789012345678.0123456789")
    assert column([long], pa.decimal128(38, 10), nullable=True)[0] == long


def test_decimals_can_be_worked_with() -> None:
    """Sums stay exact, groups work, and floats are one step away."""
    frame = pd.DataFrame({"key": ["a", "a", "b"]})
    dimes = [decimal.Decimal("0.10"), decimal.Decimal("0.20"), None]
    frame["v"] = column(dimes, CENTS, nullable=True)
    assert frame["v"].sum() == decimal.Decimal("0.30")
    assert frame.groupby("key")["v"].sum().tolist()[0] == decimal.Decimal("0.30")
    assert frame["v"].astype(float).tolist()[:2] == [0.1, 0.2]
    assert frame.sort_values("v", ascending=False).index.tolist() == [1, 0, 2]


def test_a_column_may_be_written_to() -> None:
    """A frame is the caller's own, not a view of Arrow's memory."""
    numbers = column([1, 2], pa.int64(), nullable=False).to_frame()
    numbers.loc[0, "v"] = 7
    assert numbers["v"].tolist() == [7, 2]


def test_column_names_may_repeat() -> None:
    """A join may select the same name twice, and an expression may have none."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "a", ""])
    frame = frame_of(table)
    assert list(frame.columns) == ["a", "a", ""]
    assert frame.iloc[0].tolist() == [1, 2, 3]


def test_no_columns_make_an_empty_frame() -> None:
    """As a statement leaves that returns nothing."""
    assert frame_of(pa.schema([]).empty_table()).shape == (0, 0)
