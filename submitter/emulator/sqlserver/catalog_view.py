"""What a view of the catalogue is made of: its fields, and how its rows are found."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from submitter.emulator.sqlserver.catalog import Catalog

INT, SMALL, TINY, BIG = pa.int32(), pa.int16(), pa.uint8(), pa.int64()
BIT, TEXT = pa.bool_(), pa.string()

Fields = Sequence[tuple[str, pa.DataType]]
Rows = Iterator[tuple[Any, ...]]
View = tuple[Fields, Callable[[Catalog, str], Rows]]  # the rows of one database


def fields(**kinds: pa.DataType) -> Fields:
    """Return a view's fields in their order."""
    return tuple(kinds.items())
