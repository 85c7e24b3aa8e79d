"""How rows become row groups, and which columns get a dictionary."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from remote_entry.extract.landing.row_groups import GROUP_BYTES, RowGroups
from remote_entry.extract.storage.files import Files

ROWS = 5_000


def written(folder: Path, batches: list[pa.RecordBatch]) -> Path:
    """Write batches to a file."""
    file = Files(folder).create("part.parquet")
    groups = RowGroups(file, batches[0].schema, "zstd")
    for batch in batches:
        groups.write(batch)
    groups.close()
    file.finish()
    return folder / "part.parquet"


def test_small_batches_share_a_row_group_and_wide_ones_do_not(tmp_path: Path) -> None:
    """A row group ends when it has so many bytes, so what is held in memory has a bound."""
    small = pa.record_batch({"n": pa.array(range(100))})
    wide = pa.record_batch({"n": pa.array(["x" * (GROUP_BYTES // 4)] * 4, pa.large_string())})
    (tmp_path / "wide").mkdir()
    assert pq.read_metadata(written(tmp_path, [small] * 50)).num_row_groups == 1
    metadata = pq.read_metadata(written(tmp_path / "wide", [wide] * 3 + [wide.slice(0, 1)]))
    counts = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert counts == [4, 4, 4, 1]


def test_slices_count_as_what_they_hold(tmp_path: Path) -> None:
    """A slice of a large batch is small: it does not make a row group of its own."""
    large = pa.record_batch({"n": pa.array(range(2 * GROUP_BYTES // 8))})
    pieces = [large.slice(start, 10) for start in range(0, 100, 10)]
    assert pq.read_metadata(written(tmp_path, pieces)).num_row_groups == 1


def test_only_values_that_come_often_get_a_dictionary(tmp_path: Path) -> None:
    """Of every type that an extract has; unlike values are larger and slower with one."""
    often = pa.array([number % 50 for number in range(ROWS)])
    seldom = pa.array(range(ROWS))
    kinds = [
        pa.int64(),
        pa.decimal128(14, 4),
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"),
        pa.time64("us"),
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.large_binary(),
        pa.float64(),
    ]

    def cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
        by_way_of = pa.string() if "binary" in str(kind) else pa.int64()
        return values.cast(pa.int32() if pa.types.is_decimal(kind) else by_way_of).cast(kind)

    columns = {f"often {kind}": cast(often, kind) for kind in kinds}
    columns |= {f"seldom {kind}": cast(seldom, kind) for kind in kinds}
    path = written(tmp_path, [pa.record_batch(columns)])
    group = pq.read_metadata(path).row_group(0)
    chosen = {
        group.column(index).path_in_schema: group.column(index).has_dictionary_page
        for index in range(group.num_columns)
    }
    assert chosen == {name: name.startswith("often") for name in columns}
    assert pq.read_table(path).equals(pa.table(columns))
