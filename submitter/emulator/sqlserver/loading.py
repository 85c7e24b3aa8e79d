"""Tables from files: CSV (plain, gzip, zip) and Parquet."""

import gzip
import io
import pathlib
import zipfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.types import (
    CHARACTER,
    MAX,
    Column,
    SqlType,
    nvarchar,
    type_of_arrow,
)

_NOTHING = ["", "NA", "NaN", "NULL"]
_LONGEST_DECLARED = 4000
_LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, _LONGEST_DECLARED)


def read_table(source: pathlib.Path | pa.Table) -> pa.Table:
    """Return the rows of a file; an empty field of a CSV, NA or NULL is a NULL.

    Raises:
        SqlError: The file's name has no ending that is known.
    """
    if isinstance(source, pa.Table):
        return source
    endings = [ending.lower() for ending in source.suffixes]
    if endings[-1:] == [".parquet"]:
        return pyarrow.parquet.read_table(source)
    if endings[-1:] == [".zip"]:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(names) != 1:
                raise SqlError(40000, f"{source} holds {len(names)} CSV files, expected one")
            return _read_csv(archive.read(names[0]))
    if endings[-2:] == [".csv", ".gz"]:
        return _read_csv(gzip.decompress(source.read_bytes()))
    if endings[-1:] == [".csv"]:
        return _read_csv(source.read_bytes())
    raise SqlError(40000, f"cannot load {source}: expected .csv, .csv.gz, .csv.zip or .parquet")


def declared_columns(table: pa.Table) -> list[Column]:
    """Derive T-SQL columns from the data: strings as long as their longest, rounded up."""
    columns = []
    for field, values in zip(table.schema, table.columns, strict=True):
        sql_type = type_of_arrow(field.type)
        if sql_type.name in CHARACTER:
            sql_type = nvarchar(_declared_length(values))
        elif sql_type.name == "bigint" and _fits_int(values):
            sql_type = SqlType("int")
        columns.append(Column(field.name, sql_type, nullable=values.null_count > 0))
    return columns


def _read_csv(data: bytes) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(
        null_values=_NOTHING, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    table = pyarrow.csv.read_csv(io.BytesIO(data), convert_options=options)
    unzoned = [
        column.cast(pa.timestamp("us", column.type.tz)).cast(pa.timestamp("us"))
        if pa.types.is_timestamp(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(dict(zip(table.column_names, unzoned, strict=True)))


def _declared_length(values: pa.ChunkedArray) -> int:
    text = values.cast(pa.large_string())
    longest = pc.max(pc.utf8_length(text)).as_py() or 1
    return next((length for length in _LENGTHS if longest <= length), MAX)


def _fits_int(values: pa.ChunkedArray) -> bool:
    bounds = pc.min_max(values).as_py()
    if bounds["min"] is None:
        return True
    return bool(bounds["min"] >= -(2**31) and bounds["max"] < 2**31)
