"""Column types follow the query, parameters are bound, errors are explained."""

import datetime as dt
import decimal
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, create_engine

from remote_entry.errors import SqlError
from remote_entry.reading.frames import _to_series, query_frame

LAST_MINUTE = dt.datetime.fromisoformat("9999-12-31T23:59")


@pytest.fixture
def engine() -> Engine:
    """Return an engine on an empty in-memory database: the dialect does not matter here."""
    return create_engine("sqlite://", hide_parameters=True)


@pytest.mark.parametrize(
    ("python_type", "nullable", "values", "dtype"),
    [
        (int, False, [1, 2], "int64"),
        (int, True, [1, 2], "Int64"),
        (int, True, [2**62 + 1, None], "Int64"),
        (bool, False, [True], "bool"),
        (bool, True, [True, None], "boolean"),
        (float, True, [1.5, None], "float64"),
        (dt.datetime, True, [LAST_MINUTE, None], "datetime64[us]"),
        (decimal.Decimal, True, [decimal.Decimal("1.10"), None], "object"),
        (dt.date, True, [dt.date(2013, 1, 1)], "object"),
        (int, True, [], "Int64"),
        (dt.datetime, True, [], "datetime64[us]"),
    ],
)
def test_column_type_follows_the_query(
    python_type: type, *, nullable: bool, values: list[Any], dtype: str
) -> None:
    """A NULL that appears one day changes no type."""
    assert _to_series(values, python_type=python_type, nullable=nullable).dtype == dtype


def test_empty_text_column_has_the_type_of_a_full_one() -> None:
    """No rows is no reason for another type."""
    empty = _to_series([], python_type=str, nullable=True)
    assert empty.dtype == _to_series(["a", None], python_type=str, nullable=True).dtype


def test_times_with_a_zone_keep_it() -> None:
    """Pyodbc calls the column text, SQLAlchemy makes datetimes of it."""
    moment = dt.datetime.fromisoformat("2013-01-01T05:15:00.123456-05:00")
    series = _to_series([None, moment], python_type=str, nullable=True)
    assert series.dtype == object
    assert series[1] == moment
    assert series[1].utcoffset() == dt.timedelta(hours=-5)


def test_values_are_exact() -> None:
    """Neither large integers beside NULL nor decimals go through a float."""
    integers = _to_series([2**62 + 1, None], python_type=int, nullable=True)
    assert integers[0] == 2**62 + 1
    assert integers[1] is pd.NA
    decimals = _to_series([decimal.Decimal("0.10")], python_type=decimal.Decimal, nullable=False)
    assert str(decimals[0]) == "0.10"


def test_parameters_are_bound_by_name_or_by_place(engine: Engine) -> None:
    """A value that looks like SQL stays a value."""
    evil = "'; DROP TABLE flights; --"
    assert query_frame(engine, "SELECT :value AS v", {"value": evil})["v"].tolist() == [evil]
    assert query_frame(engine, "SELECT ? AS v", [evil])["v"].tolist() == [evil]


def test_text_without_parameters_is_sent_as_it_is(engine: Engine) -> None:
    """Colons, question marks and percent signs mean nothing then."""
    frame = query_frame(engine, "SELECT '12:30 :x ? %s' AS v", None)
    assert frame["v"].tolist() == ["12:30 :x ? %s"]


def test_open_connection_stays_open(engine: Engine) -> None:
    """A caller's connection, and its temporary tables, outlive the query."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE flights (origin TEXT)")
        frame = query_frame(connection, "SELECT origin FROM flights", None)
        assert not connection.closed
    assert list(frame.columns) == ["origin"]
    assert len(frame) == 0


def test_column_names_may_repeat(engine: Engine) -> None:
    """A join may select the same name twice."""
    frame = query_frame(engine, "SELECT 1 AS a, 2 AS a", None)
    assert list(frame.columns) == ["a", "a"]
    assert frame.iloc[0].tolist() == [1, 2]


def test_refused_query_says_what_the_server_said(engine: Engine) -> None:
    """The error holds neither the parameters nor SQLAlchemy's frames."""
    with pytest.raises(SqlError, match="no such table: nowhere") as caught:
        query_frame(engine, "SELECT * FROM nowhere WHERE a = :a", {"a": "canary"})
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
