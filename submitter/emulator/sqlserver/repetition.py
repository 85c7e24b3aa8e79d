"""Consecutive executions of one prepared INSERT, so that they can be done as one.

ODBC sends an array of parameters (pyodbc's fast_executemany) as a call of sp_execute for each
row, all in one message. SQL Server is fast at that; the engine is fast at many rows at once.
"""

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from submitter.emulator.sqlserver.calls import Call
from submitter.emulator.sqlserver.types import SqlType


def runs(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """Cut calls into runs that execute the same prepared statement."""
    for _, run in itertools.groupby(enumerate(calls), key=_statement):
        yield [call for _, call in run]


def bound_rows(rows: Sequence[Mapping[str, tuple[SqlType, Any]]]) -> pa.Table | None:
    """Return the parameters of many executions as a table, a column a parameter.

    Args:
        rows: The parameters of each execution: name to type and value.

    Returns:
        The table, None where a value does not go into its column's type: then its own
        execution tells the error.
    """
    columns = {}
    for name, (sql_type, _) in rows[0].items():
        values = [_plain(row[name][1]) for row in rows]
        try:
            columns[name.lower()] = pa.array(values, sql_type.arrow)
        except pa.ArrowException:
            return None
    return pa.table(columns)


def _statement(numbered: tuple[int, Call]) -> tuple[str, int]:
    """Return what is the same for executions of one statement and for nothing else."""
    position, call = numbered
    if call.name == "sp_execute" and call.parameters:
        return "statement", call.parameters[0].value
    return "call", position


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value
