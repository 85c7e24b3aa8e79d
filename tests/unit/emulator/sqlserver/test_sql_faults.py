"""Fault rules strike where, when and as often as they say."""

import pytest

from submitter.emulator.sqlserver.errors import ConnectionDroppedError, SqlError
from submitter.emulator.sqlserver.faults import SqlFaults


def test_a_rule_strikes_as_often_as_it_says() -> None:
    """Then it is used up."""
    faults = SqlFaults()
    faults.add(at="query", error=1205, times=2)
    assert [faults.take("query", "select 1") is not None for _ in range(3)] == [True, True, False]
    faults.add(at="query", error=1205, times=None)
    assert all(faults.take("query") is not None for _ in range(5))
    faults.clear()
    assert faults.take("query") is None


def test_a_rule_looks_at_place_text_and_rows() -> None:
    """Everything it names must hold."""
    faults = SqlFaults()
    faults.add(at="rows", drop=True, matching="from flights", after_rows=100)
    assert faults.take("query", "select * from flights") is None
    assert faults.take("rows", "select * from planes", 100) is None
    assert faults.take("rows", "SELECT * FROM Flights", 99) is None
    fault = faults.take("rows", "SELECT * FROM Flights", 100)
    assert fault is not None
    with pytest.raises(ConnectionDroppedError):
        fault.strike()


def test_an_error_has_a_usual_text_or_its_own() -> None:
    """The number is what drivers look at."""
    faults = SqlFaults()
    faults.add(at="login", error=40613, severity=20)
    faults.add(at="login", error=40613, message="gone fishing")
    for text, ends in (("not currently available", True), ("gone fishing", False)):
        fault = faults.take("login")
        assert fault is not None
        with pytest.raises(SqlError, match=text) as caught:
            fault.strike()
        assert caught.value.ends_connection is ends
