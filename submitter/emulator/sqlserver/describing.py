"""sp_describe_first_result_set: the columns that a query would return.

Source: "sp_describe_first_result_set (Transact-SQL)".
"""

from collections.abc import Sequence

import pyarrow as pa

from submitter.emulator.sqlserver import script
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import ResultSet
from submitter.emulator.sqlserver.type_catalog import TYPE_IDS, byte_length, digits
from submitter.emulator.sqlserver.types import Column

_FIELDS = (
    ("is_hidden", pa.bool_()), ("column_ordinal", pa.int32()), ("name", pa.string()),
    ("is_nullable", pa.bool_()), ("system_type_id", pa.int32()),
    ("system_type_name", pa.string()), ("max_length", pa.int16()), ("precision", pa.uint8()),
    ("scale", pa.uint8()),
)  # fmt: skip
_READING = frozenset({"select", "with"})


def described(text: str, interpreter: Interpreter) -> pa.Table:
    """Describe the first result of a batch: the first nine columns of the real answer.

    Args:
        text: The batch.
        interpreter: The session; a query is begun in it, and none of its rows is read.

    Raises:
        SqlError: The query is wrong, or 11514 for a batch that is more than one query.
    """
    nodes = script.split(text)
    single = nodes[0] if len(nodes) == 1 else None
    if not isinstance(single, script.Statement) or single.keyword not in _READING:
        raise SqlError(
            11514, "The metadata could not be determined: the emulator describes one SELECT only."
        )
    if "#" in text:  # it compiles the batch in a session that has no temporary tables
        raise SqlError(11526, "The metadata could not be determined because of a temporary table.")
    results = (each for each in interpreter.run(text) if isinstance(each, ResultSet))
    first = next(results, None)
    return _table(first.columns if first is not None else ())


def _table(columns: Sequence[Column]) -> pa.Table:
    rows = [
        (False, ordinal, column.name or None, column.nullable, TYPE_IDS[column.type.name],
         column.type.declaration, byte_length(column.type), digits(column.type),
         column.type.scale)
        for ordinal, column in enumerate(columns, start=1)
    ]  # fmt: skip
    arrays = [pa.array([row[i] for row in rows], kind) for i, (_, kind) in enumerate(_FIELDS)]
    return pa.Table.from_arrays(arrays, names=[name for name, _ in _FIELDS])
